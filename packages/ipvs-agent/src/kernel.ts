import {
  ArgumentError,
  destinationKey,
  type IpvsClient,
  type ConnectedDestination,
  virtualServiceKey,
} from '@clusterf/ipvs';
import type { Kernel, Refusal } from './apply.js';
import type { Op } from './diff.js';
import type { Connections } from './drain.js';
import { tableEntry } from './table.js';

/** Counters are asked for by whoever shows them. */
const LEAN = { stats: false } as const;

/**
 * The kernel of the network namespace that this process runs in.
 *
 * @param client for what a pass does
 * @param onlooker for looks that must not keep a pass waiting: requests of one client are queued
 */
export function ipvsKernel(client: IpvsClient, onlooker: IpvsClient): Kernel {
  return {
    dump: async () => {
      await Promise.all([client.rediscover(), onlooker.rediscover()]);
      const table = await client.table(LEAN);
      return new Map(
        table.map(({ service, destinations }) => [virtualServiceKey(service.id), tableEntry(service, destinations)]),
      );
    },
    dumpService: async (id) => {
      const service = await client.service(id);
      return service && tableEntry(service, await client.destinations(id, LEAN));
    },
    execute: async (ops) => await execute(client, ops),
    flush: async () => await client.flush(),
    connections: async (id) => connectionsOf(await client.destinations(id, LEAN)),
    watchServices: async () =>
      new Map((await onlooker.services(LEAN)).map((service) => [virtualServiceKey(service.id), service])),
    watchDestinations: async (service) => tableEntry(service, await onlooker.destinations(service.id, LEAN)),
    watchConnections: async (id) => connectionsOf(await onlooker.destinations(id, LEAN)),
  };
}

function connectionsOf(destinations: readonly ConnectedDestination[]): ReadonlyMap<string, Connections> {
  return new Map(
    destinations.map((destination) => [
      destinationKey(destination),
      { active: destination.activeConnections, inactive: destination.inactiveConnections },
    ]),
  );
}

/** One operation that the client itself refuses, which the planner should never ask for, does not stop the others. */
async function execute(client: IpvsClient, ops: readonly Op[]): Promise<readonly (Refusal | undefined)[]> {
  try {
    return await client.batch(ops);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const answers: (Refusal | undefined)[] = [];
    for (const op of ops) {
      const [answer] = await client.batch([op]).catch((refusal: unknown) => {
        if (refusal instanceof ArgumentError) return [refusal];
        throw refusal;
      });
      answers.push(answer);
    }
    return answers;
  }
}
