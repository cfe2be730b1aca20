import { destinationKey } from '@clusterf/ipvs';
import { type EntryRef, parseKey } from '@clusterf/model';
import type { Diff, Op } from './diff.js';
import type { Table } from './table.js';

/**
 * Holds back what an unreadable entry may be the reason for. While the agent runs, such an entry's last good value
 * stays in force; after a restart nobody remembers that value, but the kernel still has what it led to:
 *
 * - a backend: the destinations of its service are not removed;
 * - a frontend: no virtual service is removed, since which ones it asked for is in the value that cannot be read;
 * - a route: destinations are neither added to virtual services that have some, nor removed from them, nor reached
 *   in another way; their weights go on.
 *
 * The same goes for a tree that has published nothing since the agent started, although virtual services are ours: a
 * wiped etcd, a typo in the prefix.
 *
 * @param rejected entries that could not be read when the agent started, and still cannot
 * @param published whether the tree has published anything since the start
 * @returns what is left to do, and what is held back
 */
export function holdBack(
  { make, remove }: Diff,
  actual: Table,
  rejected: readonly EntryRef[],
  published: boolean,
): Diff & { readonly held: readonly Op[] } {
  const keys = rejected.map(({ key }) => parseKey(key));
  const services = new Set(keys.flatMap((key) => (key.kind === 'backend' ? [key.service] : [])));
  const anyService = !published || keys.some(({ kind }) => kind === 'frontend');
  const anyRoute = keys.some(({ kind }) => kind === 'route');
  const isHeld = (op: Op) => {
    switch (op.command) {
      case 'newService':
      case 'setService':
        return false;
      case 'delService':
        return anyService;
      case 'newDestination':
        return anyRoute && (actual.get(op.key)?.destinations.size ?? 0) > 0;
      case 'setDestination':
        return (
          anyRoute &&
          actual.get(op.key)?.destinations.get(destinationKey(op.destination))?.method !== op.destination.method
        );
      case 'delDestination':
        return anyRoute || (op.serviceName !== undefined && services.has(op.serviceName));
    }
  };
  const all = [...make, ...remove];
  return {
    make: make.filter((op) => !isHeld(op)),
    remove: remove.filter((op) => !isHeld(op)),
    held: all.filter(isHeld),
  };
}
