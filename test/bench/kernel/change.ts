/**
 * (c): one destination added, changed, removed while the table holds more and more virtual services: from the put in
 * etcd to the kernel's table, beside a bare watch of etcd.
 *
 * There is one processor for etcd, agent and this process, so what looks must be alike on both sides: rounds with the
 * agent and rounds of the bare watch take turns, in one process, with the kernel looked at in the same rhythm in both.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Etcd3, Watcher } from 'etcd3';
import type { Environment } from './environment.js';
import { PREFIX } from '../etcd-tree.js';
import { markdownTable, milliseconds } from '../markdown.js';
import { backendPath, backendValue, destination, nameOf, serviceId } from './shape.js';
import { quantile } from '../statistics.js';

const SERVICES = [100, 1000, 10_000];
const ROUNDS = 100;
/** Milliseconds between looks at the one virtual service. */
const RHYTHM = 1;
/** Milliseconds until a change counts as lost. */
const DEADLINE = 10_000;
/** Outside of the tree: nobody but the bare watch sees it. */
const BARE = '/bare';
/** The backend that comes, changes and goes. */
const BACKEND = 7;

/** And the weight it then has in the kernel. */
const CHANGES = { added: 10, changed: 20, removed: undefined } as const;

export async function measureChanges(environment: Environment): Promise<string> {
  const rows: string[][] = [];
  for (const services of environment.quick ? SERVICES.slice(0, 2) : SERVICES) {
    const shape = { services, destinations: 1 };
    await using agent = await environment.agentOn(shape);
    const took = await rounds(environment, Math.floor(services / 2));
    await agent.stop();
    for (const [what, all] of took) {
      rows.push([nameOf(shape), what, milliseconds(quantile(all, 0.5)), milliseconds(quantile(all, 0.99))]);
    }
    environment.say(`${nameOf(shape)}: changes measured`);
  }
  return markdownTable(['services × destinations', 'from the put in etcd', 'p50', 'p99'], rows);
}

/** Milliseconds of every round, by what was done. */
async function rounds({ client, kernel, quick }: Environment, service: number): Promise<Map<string, number[]>> {
  const key = `${PREFIX}/${backendPath(service, BACKEND)}`;
  const { address: at } = destination(BACKEND);
  const weight = async () =>
    (await kernel.destinations(serviceId(service), { stats: false })).find(({ address }) => address === at)?.weight;
  const bare: number[] = [];
  const changes = Object.entries(CHANGES).map(([name, wanted]) => ({ name, wanted, took: Array<number>() }));
  const watcher = await client.watch().prefix(BARE).create();
  for (let round = 0; round < (quick ? 10 : ROUNDS); round += 1) {
    for (const { wanted, took } of changes) {
      const began = performance.now();
      await (wanted === undefined ? client.delete().key(key) : client.put(key).value(backendValue(BACKEND, wanted)));
      await untilSeen(async () => (await weight()) === wanted);
      took.push(performance.now() - began);
      bare.push(await bareRound(client, watcher, weight));
    }
  }
  await watcher.cancel();
  return new Map([
    ['a bare watch sees it', bare],
    ...changes.map(({ name, took }) => [`${name} in the kernel`, took] as const),
  ]);
}

/** The kernel is looked at all the while, as in the other rounds, though there is nothing to be seen. */
async function bareRound(client: Etcd3, watcher: Watcher, look: () => Promise<unknown>): Promise<number> {
  let seen: number | undefined;
  watcher.once('put', () => {
    seen = performance.now();
  });
  const began = performance.now();
  await client.put(`${BARE}/key`).value(began);
  await untilSeen(async () => {
    await look();
    return seen !== undefined;
  });
  return (seen ?? Number.NaN) - began;
}

async function untilSeen(isThere: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + DEADLINE;
  while (!(await isThere())) {
    if (performance.now() > end) throw new Error(`not seen within ${DEADLINE / 1000} s`);
    await delay(RHYTHM);
  }
}
