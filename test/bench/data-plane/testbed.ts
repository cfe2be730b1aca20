/** The cluster with servers, balancers and whoever else balances, all running beside each other. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Cluster } from '../../cluster/cluster.js';
import { ipBatch, Place } from '../../cluster/place.js';
import { containerLines, insideContainerLines } from '../../cluster/wiring.js';
import { addressIn } from '../../cluster/addresses.js';
import { until } from '../../fixtures/until.js';
import { compile, startServers, untilServing } from './ends.js';
import { type Balanced, haproxyConfiguration, keepalivedConfiguration, nginxConfiguration } from './rivals.js';
import {
  addressOf,
  CLUSTER,
  CONTAINER_NUMBERS,
  containerName,
  HOSTS,
  type MachineName,
  networkOf,
  SERVERS,
  treeOf,
  virtualAddressOf,
  WAY_NAMES,
  wayOf,
  type WayName,
} from './topology.js';

const run = promisify(execFile);

export interface Testbed extends AsyncDisposable {
  readonly client: Place;
  /** The program of load.c. */
  readonly load: string;
  /** The process that a way's packets pass in user space, if there is one. */
  readonly processes: Partial<Record<WayName, number>>;
}

/** Builds all of it and waits until each way leads to its servers. Takes some 20 s in a user-mode kernel. */
export async function startTestbed(say: (text: string) => void): Promise<Testbed> {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-data-plane-'));
  const undo: (() => Promise<void>)[] = [async () => await rm(directory, { recursive: true })];
  const dispose = async () => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    const [serve, load] = await Promise.all([compile('serve', directory), compile('load', directory)]);
    const cluster = await Cluster.start(CLUSTER, { report: (part) => say(`${part}: up`) });
    undo.push(async () => await cluster[Symbol.asyncDispose]());
    const containers = await startContainers(cluster, directory);
    undo.push(async () => await removeContainers(containers));
    const plain = SERVERS.map((name) => cluster.place(name));
    for (const server of [...plain, ...containers]) {
      startServers(server, serve);
    }
    for (const server of [...plain, ...containers]) await untilServing(server);
    for (const name of ['web1', 'web2'] as const) await takeVirtual(cluster.place(name));
    await leadTheWay(cluster);
    const processes = await startRivals(cluster, directory);
    await publish(cluster);
    return { client: cluster.place('client'), load, processes, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    // Of what is half there not all can be taken away; the error says more than what follows of it.
    await dispose().catch(() => undefined);
    throw error;
  }
}

/** Network namespaces on the hosts' bridges. */
async function startContainers(cluster: Cluster, directory: string): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const host of HOSTS)
    for (const number of CONTAINER_NUMBERS) {
      const name = containerName(host, number);
      const network = networkOf(host);
      await ipBatch([`netns add ${name}`]);
      await cluster.place(host).ip(...containerLines(name));
      const container = new Place(name, [], directory);
      await container.ip(...insideContainerLines(network, addressIn(network, number)));
      places.push(container);
    }
  return places;
}

async function removeContainers(containers: readonly Place[]): Promise<void> {
  for (const container of containers) await container.killProcesses();
  await ipBatch(containers.map(({ name }) => `netns delete ${name}`));
}

/** A server of droute and tunnel has the virtual addresses itself, and does not tell anybody. */
async function takeVirtual(server: Place): Promise<void> {
  await run('modprobe', ['ipip']);
  await server.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
  await server.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.tunl0.rp_filter=0');
  const addresses = (['droute', 'tunnel'] as const).map((way) => `address add ${virtualAddressOf(way)}/32 dev lo`);
  await server.ip(...addresses, 'link set tunl0 up');
}

/** Routes on the router, without BIRD: each address leads through its own machine. */
async function leadTheWay(cluster: Cluster): Promise<void> {
  const routes = WAY_NAMES.flatMap((name) => {
    const { targets, through } = wayOf(name);
    return through === undefined ? [] : targets.map((target) => `route add ${target}/32 via ${addressOf(through)}`);
  });
  await cluster.place('router').ip(...routes);
  await cluster.place('relay').run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  // Servers would be told of a shorter way back, past the balancer that sits on the same Ethernet.
  for (const name of ['router', 'masq', 'keepd', 'relay'])
    await cluster
      .place(name)
      .run('sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.fabric.send_redirects=0');
}

function balancedBy(way: WayName, [one, other]: readonly [MachineName, MachineName]): Balanced {
  return { virtual: virtualAddressOf(way), servers: [addressOf(one), addressOf(other)] };
}

async function startRivals(cluster: Cluster, directory: string): Promise<Testbed['processes']> {
  const write = async (name: string, text: string) => {
    const path = join(directory, name);
    await writeFile(path, text);
    return path;
  };
  const proxied = (way: WayName) => balancedBy(way, ['web1', 'web2']);
  const [proxy, keepd] = [cluster.place('proxy'), cluster.place('keepd')];
  await proxy.ip(...(['haproxy', 'nginx'] as const).map((way) => `address add ${virtualAddressOf(way)}/32 dev lo`));
  const haproxy = proxy.spawn(
    ['haproxy', '-db', '-f', await write('haproxy.cfg', haproxyConfiguration(proxied('haproxy')))],
    {
      log: 'haproxy',
    },
  );
  const nginx = proxy.spawn(
    ['nginx', '-c', await write('nginx.conf', nginxConfiguration(proxied('nginx'), directory))],
    {
      log: 'nginx',
    },
  );
  for (const way of ['haproxy', 'nginx'] as const) await untilServing(proxy, virtualAddressOf(way));

  await keepd.ip(`address add ${virtualAddressOf('keepalived')}/32 dev lo`);
  await keepd.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.vs.conn_reuse_mode=3');
  const configuration = await write(
    'keepalived.conf',
    keepalivedConfiguration(balancedBy('keepalived', ['keepd1', 'keepd2'])),
  );
  const files = ['--pid', '--checkers_pid'].flatMap((option) => [option, join(directory, `keepalived${option}`)]);
  keepd.spawn(['keepalived', '--check', '--dont-fork', '--log-console', '--use-file', configuration, ...files], {
    log: 'keepalived',
  });
  return { haproxy: processOf(haproxy), nginx: processOf(nginx) };
}

/** nsenter becomes what it starts. */
function processOf({ pid }: { readonly pid?: number | undefined }): number {
  if (pid === undefined) throw new Error('it did not start');
  return pid;
}

/** Publishes what our agents balance, and waits for every balancer's kernel, keepalived's too. */
async function publish(cluster: Cluster): Promise<void> {
  const ways = WAY_NAMES.map((name) => [name, wayOf(name)] as const);
  for (const [path, value] of treeOf(ways)) await cluster.etcd.put(path, value);
  for (const [name, { published }] of ways) {
    if (published === undefined) continue;
    for (const [machine, count] of Object.entries(published.destinations))
      await untilBalanced(cluster, machine, name, count);
  }
  await untilBalanced(cluster, 'keepd' satisfies MachineName, 'keepalived', 3);
}

async function untilBalanced(cluster: Cluster, machine: string, way: WayName, count: number): Promise<void> {
  const virtual = virtualAddressOf(way);
  let table: readonly string[] = [];
  await until(`${machine} has ${count} destinations for ${virtual}`, async () => {
    table = await cluster.machine(machine).table();
    // Ours binds the address only when all is there.
    const bound = (await cluster.place(machine).run('ip', '-4', '-o', 'address')).includes(` ${virtual}/32`);
    return bound && table.filter((line) => line.startsWith(`-a -t ${virtual}:`)).length === count;
  }).catch((cause: unknown) => {
    throw new Error(`${machine} has only\n${table.join('\n')}`, { cause });
  });
}
