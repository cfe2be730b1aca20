import { endedBy, type Op } from '../diff.js';
import type { Table, TableEntry } from '../table.js';
import { isLoopback } from './unsuitable.js';

export interface BindingRules {
  /** Whether the virtual service is ours, by `virtualServiceKey`: the tree names it, or we made it. */
  readonly ours: (key: string) => boolean;
  /** What this pass is about to remove; an address goes before its last virtual service or destination does. */
  readonly removals: readonly Op[];
  /** Only addresses with a destination that takes connections: `--withdraw-when-empty`. */
  readonly withdrawWhenEmpty: boolean;
}

/**
 * The virtual addresses to be bound: those of our virtual services that the kernel has and keeps, by canonical text.
 * Virtual services by firewall mark have none, and loopback is there without us.
 *
 * @param actual what the kernel holds, after this pass has made all that is new
 */
export function addressesToBind(actual: Table, { ours, removals, withdrawWhenEmpty }: BindingRules): Set<string> {
  const services = new Set<string>();
  const destinations = new Map<string, Set<string>>();
  for (const op of removals) {
    if (op.command === 'delService') services.add(op.key);
    const at = endedBy(op);
    if (at !== undefined && withdrawWhenEmpty)
      destinations.set(op.key, (destinations.get(op.key) ?? new Set()).add(at));
  }
  const addresses = new Set<string>();
  for (const [key, entry] of actual) {
    const { id } = entry.service;
    if ('fwmark' in id || addresses.has(id.address) || services.has(key) || !ours(key)) continue;
    if (withdrawWhenEmpty && !takesConnections(entry, destinations.get(key))) continue;
    if (!isLoopback(id.address)) addresses.add(id.address);
  }
  return addresses;
}

function takesConnections({ destinations }: TableEntry, going: ReadonlySet<string> | undefined): boolean {
  for (const [at, { weight }] of destinations) if (weight > 0 && going?.has(at) !== true) return true;
  return false;
}
