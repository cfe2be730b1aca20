/** The balancer's machine, with all contenders in it, and client and servers on the host's kernel and its other core. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ipBatch, Place } from '../../cluster/place.js';
import { clusterFile } from '../../cluster/bird.js';
import { until } from '../../fixtures/until.js';
import { type Machine, projectRoot, startMachine } from '../../lab/index.js';
import { timeOfDescendants } from '../processor-time.js';
import {
  ALONE,
  BEHIND,
  balancerLines,
  insideLines,
  PAST_LINES,
  PLACES,
  PROXIED,
  WAY_PAST,
  wireLines,
  wireName,
} from './alone-network.js';
import { compile, startServers, untilServing } from './ends.js';
import { haproxyConfiguration, nginxConfiguration } from './rivals.js';
import { treeOf } from './topology.js';

const run = promisify(execFile);

/** Where client and servers run: the machine takes the highest core. */
const ENDS = ['taskset', '--cpu-list', '0'] as const;
const ETCD = '127.0.0.1:2379';
const A_DAY = 24 * 3600 * 1000;

export interface Alone extends AsyncDisposable {
  readonly machine: Machine;
  readonly load: string;
  /** Runs a command where the client is. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string>;
  /** Processor time that the balancer's whole machine has used so far, in milliseconds. */
  readonly used: () => number;
}

/** Runs as root in namespaces of its own, network and mounts, which take away what it makes. */
export async function startAlone(signal: AbortSignal): Promise<Alone> {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-alone-'));
  await run('mount', ['--mkdir', '-t', 'tmpfs', 'tmpfs', '/run/netns']);
  const [serve, load] = await Promise.all([compile('serve', directory), compile('load', directory)]);
  const places = await buildPlaces(directory);
  for (const place of [places.behind, places.straight]) {
    startServers(place, serve, ENDS);
    await untilServing(place);
  }
  const interfaces = PLACES.map(wireName);
  const machine = await startMachine({ name: 'balancer', kind: 'uml', memory: '1G', interfaces, signal });
  await furnish(machine);
  return {
    machine,
    load,
    run: async (program, ...args) => await places.client.run(...ENDS, program, ...args),
    used: () => timeOfDescendants(machine.keeperPid),
    async [Symbol.asyncDispose]() {
      await machine.stop();
      for (const place of Object.values(places)) await place.killProcesses();
      await rm(directory, { recursive: true });
    },
  };
}

async function buildPlaces(directory: string): Promise<Readonly<Record<(typeof PLACES)[number], Place>>> {
  await ipBatch(wireLines());
  const place = async (name: (typeof PLACES)[number]) => {
    const made = new Place(name, [], directory);
    await made.ip(...insideLines(name));
    return made;
  };
  const [client, behind, straight] = [await place('client'), await place('behind'), await place('straight')];
  await straight.ip(...PAST_LINES.straight);
  await client.ip(...PAST_LINES.client);
  await straight.ip(WAY_PAST);
  // Requests come by one link, and what answers them by another.
  await client.run('sysctl', '-qw', ...['all', 'balancer', 'past'].map((name) => `net.ipv4.conf.${name}.rp_filter=0`));
  return { client, behind, straight };
}

/** Starts what runs in the machine for as long as that does, and waits until all of it balances. */
async function furnish(machine: Machine): Promise<void> {
  const start = (command: string) => void machine.run(`exec ${command}`, { timeout: A_DAY }).catch(() => undefined);
  await machine.output(['ip', '-batch', '-'], { input: `${balancerLines().join('\n')}\n` });
  start(`etcd --data-dir /tmp/etcd --listen-client-urls http://${ETCD} --advertise-client-urls http://${ETCD}`);
  await until('etcd is healthy', async () => (await machine.run(['etcdctl', 'endpoint', 'health'])).status === 0);
  for (const [path, value] of treeOf(Object.entries(ALONE)))
    await machine.output(['etcdctl', 'put', `/clusterf/${path}`, value]);
  const settings = clusterFile('agent', 'standalone.json');
  const command = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs');
  start(`${command} --config ${settings} --config-source etcd://${ETCD}/clusterf`);
  const configurations = {
    haproxy: haproxyConfiguration({ virtual: PROXIED.haproxy, servers: BEHIND }),
    nginx: nginxConfiguration({ virtual: PROXIED.nginx, servers: BEHIND }, '/tmp'),
  };
  for (const [name, input] of Object.entries(configurations)) await machine.output(`cat >/tmp/${name}.conf`, { input });
  start('haproxy -db -f /tmp/haproxy.conf');
  start('nginx -c /tmp/nginx.conf');
  const inside = {
    name: 'the balancer',
    run: async (...command_: readonly string[]) => await machine.output(command_),
  };
  for (const address of Object.values(PROXIED)) await untilServing(inside, address);
  // Two ways of IPVS, each with two destinations for requests and one for iperf3; the addresses come last.
  await until('IPVS balances', async () => (await machine.output('ipvsadm -Sn')).match(/^-a /gm)?.length === 6);
  await until('the addresses are there', async () => {
    const addresses = await machine.output('ip -o -4 address show dev clusterf0');
    return addresses.trim().split('\n').length === 2;
  });
}
