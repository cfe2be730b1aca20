import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../fixtures/until.js';
import { addressIn } from '../addresses.js';
import type { Cluster } from '../cluster.js';
import { CLIENTS, NETWORKS } from '../description.js';
import type { Flow } from './conversation.js';
import type { Crowd } from './crowd-process.js';
import { type Outcome, outcomeOf } from './outcome.js';

/** What befalls a cluster while clients are at it. */
export interface Event {
  /** Resolves when it has happened. */
  readonly happen: () => Promise<unknown>;
  /** Resolves when routers and balancers are as they are to be after it. */
  readonly converge: () => Promise<unknown>;
}

const CLIENT = addressIn(NETWORKS.outside.number, CLIENTS.client.number);

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
  /** Names of balancers, whether there or not. */
  readonly edges: readonly string[];
  /** Whether connections have to be old to be safe. */
  readonly ages: boolean;
}

/** Has an event befall long connections of all kinds, and many short ones. */
export async function measure(stage: Stage, { happen, converge }: Event): Promise<Outcome> {
  const { cluster, crowd, ages } = stage;
  await crowd.startRequests(REQUEST_INTERVAL_MS);
  const flows = [
    ...(await crowd.open({ label: 'talking', count: CONNECTIONS, talks: true, over: 500 })),
    ...(await crowd.open({ label: 'idle', count: CONNECTIONS, talks: false, over: 500 })),
  ];
  const opened = Date.now();
  if (ages) await until('they are old', () => Date.now() - opened > OLD_MS);
  const [talking, silent] = await Promise.all(
    [true, false].map(
      async (talks) => await crowd.open({ label: 'young', count: CONNECTIONS / 2, talks, over: YOUNG_MS }),
    ),
  );
  flows.push(...(talking ?? []), ...(silent ?? []));
  const before = await balancersOf(cluster, flows);
  const destinations = await destinationsOf(stage);

  const began = Date.now();
  await happen();
  await converge();
  const converged = Date.now();

  const after = await balancersOf(cluster, flows);
  await crowd.speak();
  const report = await crowd.settle(ANSWER_WITHIN_MS);
  return outcomeOf({ report, began, converged, before, after, destinations });
}

/** The balancer that the router sends each connection to, by the client's port: what its kernel says of such a packet. */
async function balancersOf({ router, directory }: Cluster, flows: readonly Flow[]): Promise<Map<number, string>> {
  const questions = join(directory, 'flows');
  const lines = flows.map(({ target: { address, port }, port: own }) => {
    const from = address.includes(':') ? CLIENT.ipv6 : CLIENT.ipv4;
    return `route get ${address} from ${from} iif outside ipproto tcp sport ${own} dport ${port}\n`;
  });
  await writeFile(questions, lines.join(''));
  const answers = (await router.place.run('ip', '-batch', questions)).split('\n').filter((line) => /^\S/.test(line));
  if (answers.length !== flows.length) throw new Error(`${answers.length} answers to ${flows.length} questions`);
  return new Map(flows.map(({ port }, index) => [port, / via (\S+)/.exec(answers[index] ?? '')?.[1] ?? '']));
}

/** Where the balancers send each connection, by the client's port. */
async function destinationsOf({ cluster, edges }: Stage): Promise<Map<number, string>> {
  const tables = await Promise.all(
    edges.filter((name) => cluster.has(name)).map(async (name) => await cluster.place(name).run('ipvsadm', '-Lnc')),
  );
  const entries = tables.flatMap((table) => [...table.matchAll(ENTRY)]);
  return new Map(entries.map(([, port, address = '']) => [Number(port), address]));
}

/** `TCP 14:57 ESTABLISHED 10.1.0.51:34888 10.200.0.1:80 10.2.0.21:80`, or with `[fd00:1::51]:34888` and so on. */
const ENTRY = /:(\d+) +\S+ +\[?([\da-f:.]+?)\]?:\d+ *$/gm;
