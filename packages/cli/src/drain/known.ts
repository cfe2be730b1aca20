/** What there is in a tree that can be drained, and what is. Pure. */
import { type Config, ConfigTree, type Drain, parseKey } from '@clusterf/model';
import type { Reading } from '@clusterf/store';
import { type Balancer, readBalancer } from './balancers.js';

export const KINDS = ['host', 'backend', 'balancer'] as const;
export type Kind = (typeof KINDS)[number];

/** Something to drain: a Docker host, a backend as `SERVICE/BACKEND`, a balancer. */
export interface Target {
  readonly kind: Kind;
  readonly name: string;
}

export interface Drained extends Target {
  readonly drain: Drain;
}

/** A tree as the commands look at it. */
export interface Known {
  readonly config: Config;
  /** Names of each kind, sorted. */
  readonly names: Readonly<Record<Kind, readonly string[]>>;
  /** By kind, then by name. */
  readonly drained: readonly Drained[];
  /** Balancers that tell of themselves in the tree and have not ended. */
  readonly balancers: readonly Balancer[];
}

export function known(reading: Reading): Known {
  const tree = new ConfigTree(['tree']);
  tree.apply(0, { type: 'snapshot', entries: new Map([...reading].map(([path, { value }]) => [path, value])) });
  const { config } = tree;
  const hosts = new Set<string>();
  const backends: string[] = [];
  for (const [service, { backends: all }] of config.services)
    for (const [backend, { host }] of all) {
      backends.push(`${service}/${backend}`);
      if (host !== undefined) hosts.add(host);
    }
  const balancers = new Set(config.balancerSync?.keys());
  const alive: Balancer[] = [];
  for (const [path, { value }] of reading) {
    const key = parseKey(path);
    if (key.kind === 'hostStatus') hosts.add(key.host);
    if (key.kind !== 'balancerStatus') continue;
    balancers.add(key.balancer);
    const balancer = readBalancer(key.balancer, value);
    if (balancer !== undefined) alive.push(balancer);
  }
  const names = { host: [...hosts].toSorted(), backend: backends.toSorted(), balancer: [...balancers].toSorted() };
  return { config, names, drained: drainedIn(config), balancers: alive };
}

function drainedIn({ drains }: Config): readonly Drained[] {
  return [
    ...drainedOf('host', drains.hosts),
    ...drainedOf('backend', drains.backends),
    ...drainedOf('balancer', drains.balancers),
  ];
}

function drainedOf(kind: Kind, drains: ReadonlyMap<string, Drain>): readonly Drained[] {
  return [...drains].map(([name, drain]) => ({ kind, name, drain })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** How many backends a target is of; undefined for a balancer, which is of none. */
export function backendsOf({ kind, name }: Target, { services }: Config): number | undefined {
  if (kind === 'balancer') return undefined;
  let count = 0;
  for (const [service, { backends }] of services)
    for (const [backend, { host }] of backends)
      if (kind === 'host' ? host === name : `${service}/${backend}` === name) count += 1;
  return count;
}
