import { z } from 'zod';
import { until } from '../../fixtures/until.js';
import type { Cluster } from '../cluster.js';
import { Capture, type Packet } from './capture.js';
import { flowKey } from './conversation.js';
import type { Crowd } from './crowd-process.js';
import { type Outcome, outcomeOf } from './outcome.js';

/** What befalls a cluster while clients are at it. */
export interface Event {
  /** Resolves when it has happened. */
  readonly happen: () => Promise<unknown>;
  /** Resolves when routers and balancers are as they are to be after it. */
  readonly converge: () => Promise<unknown>;
}

/** Of each kind. */
const CONNECTIONS = 20;
const REQUEST_INTERVAL_MS = 50;
/** The kernel speaks of connections to other balancers up to 2 s, when it looks for that every second, after they began. */
const OLD_MS = 3200;
const YOUNG_MS = 800;
/** Whoever has no answer then is broken. TCP repeats what was lost after 0.2, 0.6, 1.4, 3 s. */
const ANSWER_WITHIN_MS = 5000;

export interface Stage {
  readonly cluster: Cluster;
  readonly crowd: Crowd;
  /** That the crowd connects to. */
  readonly port: number;
  /** Names of balancers, whether there or not. */
  readonly edges: readonly string[];
  /** Whether connections have to be old to be safe. */
  readonly ages: boolean;
}

/** Has an event befall long connections of all kinds, and many short ones. */
export async function measure(stage: Stage, { happen, converge }: Event): Promise<Outcome> {
  const { cluster, crowd, port, edges, ages } = stage;
  await using capture = await Capture.start(cluster.router.place, 'fabric', port, cluster.directory);
  await crowd.startRequests(REQUEST_INTERVAL_MS);
  await crowd.open({ label: 'talking', count: CONNECTIONS, talks: true, over: 500 });
  await crowd.open({ label: 'idle', count: CONNECTIONS, talks: false, over: 500 });
  const opened = Date.now();
  if (ages) await until('they are old', () => Date.now() - opened > OLD_MS);
  await Promise.all(
    [true, false].map(
      async (talks) => await crowd.open({ label: 'young', count: CONNECTIONS / 2, talks, over: YOUNG_MS }),
    ),
  );
  const balancers = edges.filter((name) => cluster.has(name));
  const tables = await Promise.all(balancers.map(async (name) => await tableOf(cluster, name)));

  const began = Date.now();
  await happen();
  await converge();
  const converged = Date.now();

  await crowd.speak();
  const report = await crowd.settle(ANSWER_WITHIN_MS);
  const packets = await capture.stop();
  const before = new Map(packets.filter(({ at }) => at < began).map(({ flow, to }) => [flow, to]));
  const moved = packets.filter(({ at, flow, to }) => at >= began && before.has(flow) && before.get(flow) !== to);
  return outcomeOf({
    report,
    began,
    converged,
    moved: new Set(moved.map(({ flow }) => flow)),
    destinations: destinationsOf(before, tables),
  });
}

interface BalancerTable {
  /** The balancer's Ethernet address. */
  readonly mac: string;
  /** What `ipvsadm -Lnc` says. */
  readonly connections: string;
}

const Links = z.array(z.object({ address: z.string() })).length(1);

async function tableOf(cluster: Cluster, name: string): Promise<BalancerTable> {
  const place = cluster.place(name);
  const links = await place.run('ip', '-json', 'link', 'show', 'fabric');
  const [link] = Links.parse(JSON.parse(links));
  return { mac: link?.address ?? '', connections: await place.run('ipvsadm', '-Lnc') };
}

/** Where each connection is sent by the balancer that has it: another one may know an earlier connection of the same port. */
function destinationsOf(
  balancers: ReadonlyMap<Packet['flow'], Packet['to']>,
  tables: readonly BalancerTable[],
): Map<Packet['flow'], string> {
  const destinations = new Map<Packet['flow'], string>();
  for (const { mac, connections } of tables)
    for (const [, own, address = '', port, destination = ''] of connections.matchAll(ENTRY)) {
      const flow = flowKey({ target: { address, port: Number(port) }, port: Number(own) });
      if (balancers.get(flow) === mac) destinations.set(flow, destination);
    }
  return destinations;
}

/** `TCP 14:57 ESTABLISHED 10.1.0.51:34888 10.200.0.1:80 10.2.0.21:80`, or with `[fd00:1::51]:34888` and so on. */
const ENTRY = /:(\d+) +\[?([\da-f:.]+?)\]?:(\d+) +\[?([\da-f:.]+?)\]?:\d+ *$/gm;
