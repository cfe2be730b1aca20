/** Looking at the kernel's table from the measuring process, as cheaply as can be: there is one processor for all. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { IpvsClient } from '@clusterf/ipvs';
import { destination, nameOf, type Shape, serviceId } from './shape.js';

/** Milliseconds between looks while a whole table is being made. */
const PATIENCE = 10;
/** Milliseconds until a contender has lost. */
const DEADLINE = 120_000;

/**
 * Waits until the kernel holds the whole table.
 *
 * @returns when it did, by `performance.now()`
 * @throws {Error} after the deadline, or if what seemed to be the last was not
 */
export async function untilComplete(client: IpvsClient, shape: Shape): Promise<number> {
  const probes = probesOf(shape);
  const end = performance.now() + DEADLINE;
  while (probes.length > 0) {
    const probe = probes.at(-1);
    if (probe === undefined || (await isThere(client, probe))) probes.pop();
    else if (performance.now() > end) throw new Error(`${nameOf(shape)}: not complete after ${DEADLINE / 1000} s`);
    else await delay(PATIENCE);
  }
  const complete = performance.now();
  await requireComplete(shape);
  return complete;
}

/** @throws {Error} unless the kernel holds just as many services and destinations */
export async function requireComplete({ services, destinations }: Shape): Promise<void> {
  // By netlink it would take a dump for every service: seconds, for ten thousand of them.
  const lines = (await readFile('/proc/net/ip_vs', 'utf8')).split('\n');
  const found = {
    services: lines.filter((line) => /^(TCP|UDP|SCTP|FWM)/.test(line)).length,
    destinations: lines.filter((line) => /^ {2}-> [0-9A-F[]/.test(line)).length,
  };
  if (found.services !== services || found.destinations !== services * destinations) {
    throw new Error(`${JSON.stringify(found)} in the kernel, where ${nameOf({ services, destinations })} should be`);
  }
}

interface Probe {
  readonly service: number;
  readonly index: number;
}

/** Some of all destinations, the last one among them: in whatever order a contender makes them, one of these is late. */
function probesOf({ services, destinations }: Shape): Probe[] {
  const count = Math.min(20, services * destinations);
  return Array.from({ length: count }, (_, probe) => {
    const nth = Math.floor(((probe + 1) * services * destinations) / count) - 1;
    return { service: Math.floor(nth / destinations), index: nth % destinations };
  });
}

/** Setting a destination to what it is asks for it alone, where a dump of ten thousand would be the alternative. */
async function isThere(client: IpvsClient, { service, index }: Probe): Promise<boolean> {
  const [error] = await client.batch([
    { command: 'setDestination', service: serviceId(service), destination: destination(index) },
  ]);
  return error === undefined;
}
