/** Several balancers, each a kernel of its own under the same cap, and a client that spreads over them (ECMP). */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { addressIn } from '../../cluster/addresses.js';
import { clusterFile } from '../../cluster/bird.js';
import { EtcdMembers } from '../../cluster/etcd-members.js';
import { ipBatch, Place } from '../../cluster/place.js';
import { until } from '../../fixtures/until.js';
import { type Machine, projectRoot, startMachine } from '../../lab/index.js';
import { descendantsOf } from '../processor-time.js';
import { cap } from './cap.js';
import { compile, startServers, untilServing } from './ends.js';
import { treeOf } from './topology.js';

const run = promisify(execFile);

const FABRIC = 2;
const at = (number: number) => addressIn(FABRIC, number).ipv4;
/** Besides the balancers: the numbers of their addresses. */
const PLACES = { client: 51, server1: 41, server2: 42, etcd1: 31 } as const;
const OBSERVER = 254;
const FIRST_BALANCER = 11;
export const VIRTUAL = addressIn(200, 1).ipv4;
const SERVERS = ['server1', 'server2'] as const;
const A_DAY = 24 * 3600 * 1000;

export interface Several extends AsyncDisposable {
  readonly load: string;
  /** Runs a command where the client is. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string>;
  /** Has the client use so many of the balancers. */
  readonly use: (balancers: number) => Promise<void>;
}

/**
 * Runs as root in namespaces of its own, network and mounts, which take away what it makes.
 *
 * @param count of balancers
 * @param share of a processor that each may have
 */
export async function startSeveral(count: number, share: number, signal: AbortSignal): Promise<Several> {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-several-'));
  await run('mount', ['--mkdir', '-t', 'tmpfs', 'tmpfs', '/run/netns']);
  await ipBatch(['link set lo up', 'link add fabric type bridge forward_delay 0', 'link set fabric up']);
  await ipBatch([`address add ${at(OBSERVER)}/24 dev fabric`]);
  const place = async (name: keyof typeof PLACES) => {
    const made = new Place(name, [], directory);
    await plugIn(made, PLACES[name]);
    return made;
  };
  const [client, etcd] = [await place('client'), await place('etcd1')];
  const servers = [await place('server1'), await place('server2')];

  const [serve, load] = await Promise.all([compile('serve', directory), compile('load', directory)]);
  for (const server of servers) await startServer(server, serve);
  await client.run('sysctl', '-qw', 'net.ipv4.fib_multipath_hash_policy=1');

  const store = new EtcdMembers([{ place: etcd, address: at(PLACES.etcd1) }], directory);
  await store.start();
  const backends = SERVERS.map((name) => ({ address: at(PLACES[name]) }));
  const published = { method: 'droute', backends, destinations: {} } as const;
  for (const [path, value] of treeOf([['web', { title: '', targets: [VIRTUAL], published }]]))
    await store.put(path, value);

  const numbers = Array.from({ length: count }, (_, index) => FIRST_BALANCER + index);
  const machines = await Promise.all(numbers.map(async (number) => await startBalancer(number, store.source, signal)));
  const caps = await Promise.all(
    machines.map(
      async ({ name, keeperPid }) => await cap(`clusterf-${keeperPid}-${name}`, descendantsOf(keeperPid), share),
    ),
  );
  return {
    load,
    run: async (program, ...args) => await client.run(program, ...args),
    async use(balancers) {
      const hops = numbers.slice(0, balancers).map((number) => `nexthop via ${at(number)}`);
      await client.ip(`route replace ${VIRTUAL}/32 ${hops.join(' ')}`);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(caps.map(async ({ lift }) => await lift()));
      await Promise.all(machines.map(async (machine) => await machine.stop()));
      await Promise.all(caps.map(async ({ remove }) => await remove()));
      for (const made of [client, etcd, ...servers]) await made.killProcesses();
      await rm(directory, { recursive: true });
    },
  };
}

async function plugIn(place: Place, number: number): Promise<void> {
  await ipBatch([
    `netns add ${place.name}`,
    `link add port-${place.name} type veth peer name fabric netns ${place.name}`,
    `link set port-${place.name} master fabric up`,
  ]);
  await place.ip('link set lo up', `address add ${at(number)}/24 dev fabric`, 'link set fabric up');
}

/** Has the virtual address itself, and does not tell anybody. */
async function startServer(server: Place, serve: string): Promise<void> {
  await server.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
  await server.ip(`address add ${VIRTUAL}/32 dev lo`);
  startServers(server, serve);
  await untilServing(server);
}

/** A machine on the fabric with the agent of an edge, once it balances. */
async function startBalancer(number: number, source: string, signal: AbortSignal): Promise<Machine> {
  const name = `balancer${number}`;
  await ipBatch([
    `link add to-${number} type veth peer name port-${number}`,
    `link set port-${number} master fabric up`,
    `link set to-${number} up`,
  ]);
  const machine = await startMachine({ name, kind: 'uml', memory: '512M', interfaces: [`to-${number}`], signal });
  await machine.output(['sysctl', '-q', '-p', clusterFile('sysctl', 'edge.conf')]);
  await machine.output(['ip', '-batch', '-'], {
    input: `address add ${at(number)}/24 dev vec0\nlink set vec0 up\n`,
  });
  const command = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs');
  const settings = clusterFile('agent', 'edge.json');
  machine
    .run([command, '--config', settings, '--config-source', source], { timeout: A_DAY })
    // It ends with the machine.
    .catch(() => undefined);
  await until(
    `${name} balances`,
    async () => (await machine.run(`ip address show dev clusterf0 | grep -qw ${VIRTUAL}`)).status === 0,
    60_000,
  );
  return machine;
}
