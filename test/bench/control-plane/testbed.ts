/** The cluster with everybody who balances, each with a first server that answers. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { backendKey, encodeBackend, encodeFrontend, encodeRoute, frontendKey, routeKey } from '@clusterf/model';
import { subnetOf } from '../../cluster/addresses.js';
import { Cluster } from '../../cluster/cluster.js';
import { NETWORKS } from '../../cluster/description.js';
import type { Place } from '../../cluster/place.js';
import { projectRoot } from '../../lab/index.js';
import { type DockerHost, startDockerHost } from './docker-host.js';
import { untilDestinations } from './kernel-table.js';
import { startKeepalived } from './keepalived.js';
import type { Client, Contender } from './measure.js';
import { addressOf, CLUSTER, type MachineName, PORT, SERVICES, type ServiceName } from './topology.js';

const run = promisify(execFile);

export interface Testbed extends AsyncDisposable {
  readonly client: Client;
  readonly docker: DockerHost;
  /** By the name of their service; they may take turns. */
  readonly contenders: ReadonlyMap<ServiceName, Contender>;
}

/** Builds all of it. Takes some 30 s in a user-mode kernel. */
export async function startTestbed(say: (text: string) => void): Promise<Testbed> {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-control-plane-'));
  const undo: (() => Promise<void>)[] = [async () => await rm(directory, { recursive: true })];
  const dispose = async () => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    // New namespaces take after the first one, and Swarm leaves it to that whether the one of its mesh forwards.
    await run('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
    // Alone in its image, it finds no libraries.
    await Promise.all([compile('serve', directory, '-static'), compile('ask', directory)]);
    const cluster = await Cluster.start(CLUSTER, { report: (part) => say(`${part}: up`) });
    undo.push(async () => await cluster[Symbol.asyncDispose]());
    await furnish(cluster, join(directory, 'serve'));
    const docker = await startDockerHost(cluster, directory);
    undo.push(async () => await docker[Symbol.asyncDispose]());
    say('dockerd: up');
    const contenders = await prepareContenders(cluster, docker, directory);
    const client = { place: cluster.place('client'), ask: join(directory, 'ask') };
    return { client, docker, contenders, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    // Of what is half there not all can be taken away; the error says more than what follows of it.
    await dispose().catch(() => undefined);
    throw error;
  }
}

async function compile(name: string, directory: string, ...flags: readonly string[]): Promise<void> {
  const source = join(projectRoot(), 'test', 'bench', 'control-plane', `${name}.c`);
  await run('gcc', ['-O2', '-Wall', '-Werror', ...flags, '-o', join(directory, name), source]);
}

/** Routes on the router, without BIRD, and servers outside of containers. */
async function furnish(cluster: Cluster, serve: string): Promise<void> {
  const routes = Object.values(SERVICES).map(
    ({ address, through }) => `route add ${address}/32 via ${addressOf(through)}`,
  );
  await cluster.place('router').ip(...routes);
  // Servers would be told of a shorter way back, past the balancer that sits on the same Ethernet.
  for (const name of ['router', 'keepd'])
    await cluster
      .place(name)
      .run('sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.fabric.send_redirects=0');
  for (const name of ['near1', 'near2'] as const) await takeVirtual(cluster.place(name));
  for (const name of ['near1', 'near2', 'keepd1', 'keepd2'] as const)
    cluster.place(name).spawn([serve, String(PORT), name], { log: 'serve' });
}

/** A server of droute has the virtual addresses itself, and does not tell anybody. */
async function takeVirtual(server: Place): Promise<void> {
  await server.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
  const addresses = (['twoTiers', 'tree'] as const).map((name) => `address add ${SERVICES[name].address}/32 dev lo`);
  await server.ip(...addresses);
}

async function prepareContenders(
  cluster: Cluster,
  docker: DockerHost,
  directory: string,
): Promise<Testbed['contenders']> {
  const put = async (service: ServiceName, server: MachineName) =>
    await cluster.etcd.put(
      backendKey(service, server),
      encodeBackend({ ipv4: addressOf(server), tcp: PORT, weight: 10 }),
    );
  for (const name of ['oneTier', 'twoTiers', 'tree'] as const) {
    const { address: ipv4 } = SERVICES[name];
    // In turns, so that a new server is the next but one.
    const frontend = encodeFrontend({ ipv4, tcp: PORT, scheduler: 'rr' });
    await cluster.etcd.put(frontendKey(name), frontend);
  }
  // To servers outside of containers as they are; to containers by their host, which says so itself.
  const route = encodeRoute({ prefix: subnetOf(NETWORKS.fabric.number).ipv4, ipvsMethod: 'droute', priority: 0 });
  await cluster.etcd.put(routeKey('near'), route);
  await put('twoTiers', 'near1');
  await put('tree', 'near1');
  await docker.create('first', 'oneTier');
  await docker.start('first');
  const keepalived = await startKeepalived(cluster, directory);
  const container = (name: string, service: ServiceName, title: string): Contender => ({
    title,
    address: SERVICES[service].address,
    prepare: async () => await docker.create(name, service),
    grow: async () => await docker.start(name),
    async shrink() {
      await docker.stop(name);
      return name;
    },
    async settle() {
      await docker.remove(name);
      await untilBalanced(cluster, service, 1);
    },
  });
  const tree: Contender = {
    title: 'our tree: server put into etcd, and removed (no Docker)',
    address: SERVICES.tree.address,
    grow: async () => await put('tree', 'near2'),
    async shrink() {
      await cluster.etcd.remove(backendKey('tree', 'near2'));
      await untilBalanced(cluster, 'tree', 1);
      return 'near2' satisfies MachineName;
    },
  };
  for (const name of ['oneTier', 'twoTiers', 'tree'] as const) await untilBalanced(cluster, name, 1);
  return new Map<ServiceName, Contender>([
    ['oneTier', container('one', 'oneTier', 'one tier: `docker start`, `docker stop`')],
    ['twoTiers', container('two', 'twoTiers', 'two tiers: the same, first container on its host')],
    ['tree', tree],
    ['keepalived', keepalived],
  ]);
}

/** Waits until the kernel that the router sends a service's connections to has so many destinations for it. */
async function untilBalanced(cluster: Cluster, service: ServiceName, count: number): Promise<void> {
  const { address, through } = SERVICES[service];
  const pid = cluster.machine(through).balancer.pid ?? Number.NaN;
  await untilDestinations(pid, address, count);
}
