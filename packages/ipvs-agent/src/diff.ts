/**
 * From what is and what should be to what is to be done. Pure, and in the one order that never breaks before it
 * makes: new services, changed services, new destinations, changed destinations, removed destinations, removed
 * services.
 */
import { type Command, destinationKey, type VirtualServiceId } from '@clusterf/ipvs';
import type { Desired } from './plan.js';
import {
  type KnownService,
  type MutableTable,
  sameDestination,
  sameService,
  type Table,
  type TableEntry,
} from './table.js';

export type OpKind =
  | 'newService'
  | 'setService'
  | 'newDestination'
  | 'setDestination'
  | 'delDestination'
  | 'delService';

/** A command for the kernel, with the names that people know its objects by. */
export type Op = Command<OpKind> & {
  /** `virtualServiceKey` of the virtual service concerned. */
  readonly key: string;
  /** Names from the tree, where it names them. */
  readonly serviceName?: string;
  readonly backends?: readonly string[];
};

/** The virtual service that an operation is about. */
export function virtualServiceOf(op: Op): VirtualServiceId {
  return op.command === 'newService' || op.command === 'setService' ? op.service.id : op.service;
}

export interface Diff {
  /** New and changed things, in order. */
  readonly make: readonly Op[];
  /** Removals, in order, and weight 0 where it comes first: only to be done for a service whose `make` succeeded. */
  readonly remove: readonly Op[];
}

/** The destination that takes no connections after one of {@link Diff.remove}, by `destinationKey`. */
export function endedBy(op: Op): string | undefined {
  return op.command === 'delDestination' || op.command === 'setDestination'
    ? destinationKey(op.destination)
    : undefined;
}

/**
 * @param owned whether a virtual service that is not desired is ours to delete, by `virtualServiceKey`.
 *   What is desired is ours by that alone.
 * @param keys the virtual services to look at: all, unless said
 */
export function diff(
  actual: Table,
  desired: Desired,
  owned: (key: string) => boolean,
  keys: Iterable<string> = new Set([...desired.keys(), ...actual.keys()]),
): Diff {
  const newServices: Op[] = [];
  const setServices: Op[] = [];
  const newDestinations: Op[] = [];
  const setDestinations: Op[] = [];
  const delDestinations: Op[] = [];
  const delServices: Op[] = [];

  for (const key of keys) {
    const was = actual.get(key);
    const wanted = desired.get(key);
    if (wanted === undefined) {
      // The kernel removes a service's destinations with it.
      if (was !== undefined && owned(key))
        delServices.push({ command: 'delService', key, ...nameOf(was), service: was.service.id });
      continue;
    }
    const { service, destinations } = wanted;
    const { serviceName, id } = service;
    if (was === undefined) newServices.push({ command: 'newService', key, serviceName, service });
    else if (!sameService(was.service, service)) setServices.push({ command: 'setService', key, serviceName, service });

    for (const [at, destination] of destinations) {
      const { backends } = destination;
      const wasDestination = was?.destinations.get(at);
      if (wasDestination === undefined)
        newDestinations.push({ command: 'newDestination', key, serviceName, backends, service: id, destination });
      else if (!sameDestination(wasDestination, destination))
        setDestinations.push({ command: 'setDestination', key, serviceName, backends, service: id, destination });
    }
    for (const [at, destination] of was?.destinations ?? []) {
      if (destinations.has(at)) continue;
      const names = {
        serviceName: destination.serviceName ?? serviceName,
        ...(destination.backends && { backends: destination.backends }),
      };
      delDestinations.push({ command: 'delDestination', key, ...names, service: id, destination });
    }
  }

  return {
    make: [...newServices, ...setServices, ...newDestinations, ...setDestinations],
    remove: [...delDestinations, ...delServices],
  };
}

function nameOf({ service: { serviceName } }: TableEntry<KnownService>): { readonly serviceName?: string } {
  return serviceName === undefined ? {} : { serviceName };
}

/** Puts an operation that the kernel has acknowledged into what is known of it, without asking it again. */
export function acknowledge(table: MutableTable, op: Op): void {
  switch (op.command) {
    case 'newService':
      table.set(op.key, { service: op.service, destinations: new Map() });
      return;
    case 'setService':
      table.set(op.key, { service: op.service, destinations: table.get(op.key)?.destinations ?? new Map() });
      return;
    case 'delService':
      table.delete(op.key);
      return;
    case 'newDestination':
    case 'setDestination':
      table.get(op.key)?.destinations.set(destinationKey(op.destination), op.destination);
      return;
    case 'delDestination':
      table.get(op.key)?.destinations.delete(destinationKey(op.destination));
  }
}
