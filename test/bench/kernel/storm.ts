/** (e): a thousand backends change their weight every second, for half a minute. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from './environment.js';
import { write } from '../etcd-tree.js';
import { markdownTable, milliseconds } from '../markdown.js';
import { backendPath, backendValue, destination, serviceId } from './shape.js';
import { quantile } from '../statistics.js';

const SHAPE = { services: 1000, destinations: 10 };
/** Changes a transaction, and milliseconds between transactions: a thousand changes a second. */
const CHANGES = 100;
const INTERVAL = 100;
const DURATION = 30_000;
/** Milliseconds between looks at the probe. */
const RHYTHM = 5;
/** Milliseconds after the storm within which all has to be as the tree says. */
const DEADLINE = 60_000;
/** The backend that is changed with every tenth transaction and looked at; nothing else changes it. */
const PROBE = { service: SHAPE.services - 1, index: 0 };
const PROBED = 10;

export async function measureStorm(environment: Environment): Promise<string> {
  const { client, kernel } = environment;
  await using agent = await environment.agentOn(SHAPE);
  const weights = new Map<string, number>();
  const probes: Promise<number>[] = [];
  const began = performance.now();
  const duration = environment.quick ? DURATION / 6 : DURATION;
  let changes = 0;
  for (let sent = 0; performance.now() - began < duration; sent += 1) {
    const batch = Array.from({ length: CHANGES }, (_, nth) => change(weights, sent * CHANGES + nth));
    changes += batch.length;
    await write(client, batch);
    if (sent % PROBED === 0) {
      const weight = 100 + sent;
      await write(client, [[backendPath(PROBE.service, PROBE.index), backendValue(PROBE.index, weight)]]);
      weights.set(`${PROBE.service} ${PROBE.index}`, weight);
      probes.push(lagOf(environment, weight));
    }
    await delay(Math.max(0, began + (sent + 1) * INTERVAL - performance.now()));
  }
  const lasted = performance.now() - began;
  const over = performance.now();
  const lags = await Promise.all(probes);
  await untilEqual(environment, weights);
  const settled = performance.now() - over;
  const table = await kernel.table({ stats: false });
  await agent.stop();
  const rows = [
    ['changes a second, put in etcd', ((changes / lasted) * 1000).toFixed(0)],
    ['lag, p50', milliseconds(quantile(lags, 0.5))],
    ['lag, worst', milliseconds(Math.max(...lags))],
    ['tree and kernel equal after the last change', milliseconds(settled)],
    ['destinations compared', String(table.reduce((sum, { destinations }) => sum + destinations.length, 0))],
  ];
  return markdownTable([`${duration / 1000} s`, ''], rows);
}

/** Walks through all backends but the probe, in steps that reach far apart ones. */
function change(weights: Map<string, number>, nth: number): readonly [string, string] {
  const service = (nth * 7919) % (SHAPE.services - 1);
  const index = nth % SHAPE.destinations;
  const weight = 1 + (nth % 97);
  weights.set(`${service} ${index}`, weight);
  return [backendPath(service, index), backendValue(index, weight)];
}

/** Milliseconds until the kernel has the probe's weight, which only grows: a later one will do. */
async function lagOf({ kernel }: Environment, weight: number): Promise<number> {
  const began = performance.now();
  const { address: at } = destination(PROBE.index);
  for (;;) {
    const destinations = await kernel.destinations(serviceId(PROBE.service), { stats: false });
    if ((destinations.find(({ address }) => address === at)?.weight ?? 0) >= weight) return performance.now() - began;
    await delay(RHYTHM);
  }
}

/** @throws {Error} if the kernel's table is not what the tree came to be */
async function untilEqual({ kernel }: Environment, weights: ReadonlyMap<string, number>): Promise<void> {
  const end = performance.now() + DEADLINE;
  for (const [place, weight] of weights) {
    const [service = 0, index = 0] = place.split(' ').map(Number);
    const { address: at } = destination(index);
    for (;;) {
      const destinations = await kernel.destinations(serviceId(service), { stats: false });
      const found = destinations.find(({ address }) => address === at)?.weight;
      if (found === weight) break;
      if (performance.now() > end) throw new Error(`${place}: weight ${found} in the kernel, ${weight} in the tree`);
      await delay(RHYTHM);
    }
  }
}
