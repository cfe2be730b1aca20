/**
 * From what is and what should be to what is to be done. Pure, and in the one order that never breaks before it
 * makes: new services, changed services, new destinations, changed destinations, removed destinations, removed
 * services.
 */
import {
  type Destination,
  type DestinationId,
  destinationKey,
  type VirtualService,
  type VirtualServiceId,
} from '@clusterf/ipvs';
import type { Desired } from './plan.js';
import { type MutableTable, sameDestination, sameService, type Table } from './table.js';

/** Each operation and what it takes; `Op` and the tables that execute and print it follow from this. */
export interface OpArguments {
  newService: { readonly service: VirtualService };
  setService: { readonly service: VirtualService };
  newDestination: { readonly id: VirtualServiceId; readonly destination: Destination };
  setDestination: { readonly id: VirtualServiceId; readonly destination: Destination };
  delDestination: { readonly id: VirtualServiceId; readonly destination: DestinationId };
  delService: { readonly id: VirtualServiceId };
}

export type OpKind = keyof OpArguments;

export type Op = {
  [K in OpKind]: {
    readonly kind: K;
    /** `virtualServiceKey` of the virtual service concerned. */
    readonly key: string;
    /** Names from the tree, where it names them. */
    readonly serviceName?: string;
    readonly backends?: readonly string[];
  } & OpArguments[K];
}[OpKind];

export interface Diff {
  /** New and changed things, in order. */
  readonly make: readonly Op[];
  /** Removals, in order: only to be done for a service whose `make` succeeded. */
  readonly remove: readonly Op[];
}

/**
 * @param owned whether a virtual service that is not desired is ours to delete, by `virtualServiceKey`.
 *   What is desired is ours by that alone.
 */
export function diff(actual: Table, desired: Desired, owned: (key: string) => boolean): Diff {
  const newServices: Op[] = [];
  const setServices: Op[] = [];
  const newDestinations: Op[] = [];
  const setDestinations: Op[] = [];
  const delDestinations: Op[] = [];
  const delServices: Op[] = [];

  for (const [key, { service, destinations }] of desired) {
    const { serviceName, id } = service;
    const was = actual.get(key);
    if (was === undefined) newServices.push({ kind: 'newService', key, serviceName, service });
    else if (!sameService(was.service, service)) setServices.push({ kind: 'setService', key, serviceName, service });

    for (const [destinationKey, destination] of destinations) {
      const { backends } = destination;
      const wasDestination = was?.destinations.get(destinationKey);
      if (wasDestination === undefined)
        newDestinations.push({ kind: 'newDestination', key, serviceName, backends, id, destination });
      else if (!sameDestination(wasDestination, destination))
        setDestinations.push({ kind: 'setDestination', key, serviceName, backends, id, destination });
    }
    for (const [destinationKey, destination] of was?.destinations ?? [])
      if (!destinations.has(destinationKey))
        delDestinations.push({ kind: 'delDestination', key, serviceName, id, destination });
  }

  // The kernel removes a service's destinations with it.
  for (const [key, { service }] of actual)
    if (!desired.has(key) && owned(key)) delServices.push({ kind: 'delService', key, id: service.id });

  return {
    make: [...newServices, ...setServices, ...newDestinations, ...setDestinations],
    remove: [...delDestinations, ...delServices],
  };
}

/** Puts an operation that the kernel has acknowledged into what is known of it, without asking it again. */
export function acknowledge(table: MutableTable, op: Op): void {
  switch (op.kind) {
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
