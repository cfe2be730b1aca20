import { type EntryRef, parseKey } from '@clusterf/model';
import type { Diff, Op } from './diff.js';

/**
 * Holds back removals that an unreadable entry may be the reason for. While the agent runs, such an entry's last good
 * value stays in force; after a restart nobody remembers that value, but the kernel still has what it led to.
 *
 * The same goes for a tree that has published nothing since the agent started, although virtual services are ours: a
 * wiped etcd, a typo in the prefix.
 *
 * @param rejected entries that cannot be read and of which no good value is known
 * @param published whether the tree has published anything since the start
 * @returns what is left to do, and what is held back
 */
export function holdRemovals(
  { make, remove }: Diff,
  rejected: readonly EntryRef[],
  published: boolean,
): Diff & { readonly held: readonly Op[] } {
  const keys = rejected.map(({ key }) => parseKey(key));
  const services = new Set(keys.flatMap((key) => (key.kind === 'backend' ? [key.service] : [])));
  // Which virtual services a frontend asked for is in the value that cannot be read: any may be its.
  const anyService = !published || keys.some(({ kind }) => kind === 'frontend');
  const isHeld = (op: Op) =>
    op.command === 'delService'
      ? anyService
      : op.command === 'delDestination' && op.serviceName !== undefined && services.has(op.serviceName);
  return { make, remove: remove.filter((op) => !isHeld(op)), held: remove.filter(isHeld) };
}
