/** What a tree says of itself and of the agents that use it. Pure. */
import { type Desired, drainsOf, type PlannedEntry, Planner } from '@clusterf/ipvs-agent';
import {
  type Backend,
  balancerStatusKey,
  type Config,
  ConfigTree,
  type Drain,
  hostStatusKey,
  parseKey,
  type Problem,
  type Service,
} from '@clusterf/model';
import type { LeaseTime, Reading } from '@clusterf/store';
import { type BalancerEntry, type HostEntry, readBalancerEntry, readHostEntry } from './entries.js';

/** A tree as it was read at one moment. */
export interface TreeReading {
  /** Its canonical URL. */
  readonly url: string;
  readonly entries: Reading;
  /** By lease, those that are still there. */
  readonly leases: ReadonlyMap<string, LeaseTime>;
}

/**
 * `up`: it renews its lease. `late`: it has missed its renewals, and its entries are about to go. `ended`: it said so.
 * `gone`: it has no entry, though others have its name. `unleased`: nothing keeps its entry from outliving it.
 */
export type Life = 'up' | 'late' | 'ended' | 'gone' | 'unleased';

interface AgentView {
  readonly name: string;
  readonly life: Life;
  /** Seconds until its entries go unless it renews their lease. */
  readonly leaseLeft: number | undefined;
  /** By an operator. */
  readonly drained: Drain | undefined;
}

export interface HostView extends AgentView, HostEntry {
  /** In the tree, that name this host. */
  readonly backends: number;
}

export interface BalancerView extends AgentView, BalancerEntry {
  /** Whether it has read the configuration as it is; undefined if it does not say. */
  readonly current: boolean | undefined;
}

export interface ServiceView {
  readonly name: string;
  readonly hasFrontend: boolean;
  /** `tcp 10.0.0.1:80`, of those that are its own. */
  readonly virtualServices: readonly string[];
  readonly scheduler: string | undefined;
  /** Of these, those that nothing takes new connections at. */
  readonly unserved: readonly string[];
  readonly backends: number;
  /** Of these, those that take new connections, and their weights together. */
  readonly taking: number;
  readonly weight: number;
  /** Of these, those that an operator has drained, by themselves or with their host. */
  readonly drained: number;
  /** Of the others, those that a balancer makes no destination of: no port that is published, say, or left out by a route. */
  readonly unusable: number;
}

export interface Overview {
  readonly url: string;
  /** There is not a single key. */
  readonly isEmpty: boolean;
  readonly hosts: readonly HostView[];
  readonly balancers: readonly BalancerView[];
  readonly services: readonly ServiceView[];
  readonly routes: number;
  /** Entries that cannot be read or used, in the agents' words. */
  readonly problems: readonly Problem[];
}

/**
 * @param before digests that the configuration has had of late: a balancer takes a moment to read it, and another to say so
 */
export function overview(reading: TreeReading, before: ReadonlySet<string> = new Set()): Overview {
  const { url, entries } = reading;
  const tree = new ConfigTree([url]);
  tree.apply(0, { type: 'snapshot', entries: new Map([...entries].map(([path, { value }]) => [path, value])) });
  const { config, problems } = tree;
  const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });
  planner.update(config, { services: new Set(config.services.keys()), routes: true, hosts: new Set() });
  const planned = plannedByService(planner.desired);
  const digests = new Set([...before, tree.digest(0)]);
  return {
    url,
    isEmpty: entries.size === 0,
    hosts: hostViews(reading, config),
    balancers: balancerViews(reading, config, digests),
    services: [...config.services]
      .map(([name, service]) => serviceView(name, service, planned.get(name) ?? new Map(), config))
      .toSorted(byName),
    routes: config.routes.size,
    problems: [...problems, ...planner.problems],
  };
}

/** By service, as far as they are its own: what another has claimed is not. */
function plannedByService(desired: Desired): ReadonlyMap<string, Desired> {
  const planned = new Map<string, Map<string, PlannedEntry>>();
  for (const [key, entry] of desired) {
    const { serviceName } = entry.service;
    planned.set(serviceName, (planned.get(serviceName) ?? new Map<string, PlannedEntry>()).set(key, entry));
  }
  return planned;
}

function hostViews(reading: TreeReading, { services, drains }: Config): readonly HostView[] {
  const backends = new Map<string, number>();
  for (const service of services.values())
    for (const { host } of service.backends.values())
      if (host !== undefined) backends.set(host, (backends.get(host) ?? 0) + 1);
  const names = new Set([...namesOf(reading, 'hostStatus'), ...backends.keys(), ...drains.hosts.keys()]);
  return [...names]
    .map((name) => {
      const key = hostStatusKey(name);
      const entry = readHostEntry(reading.entries.get(key)?.value ?? '');
      const lease = leaseOf(reading, key);
      return {
        name,
        life: lifeOf(lease, entry.stopped),
        leaseLeft: lease.time?.remaining,
        drained: drains.hosts.get(name),
        backends: backends.get(name) ?? 0,
        ...entry,
      };
    })
    .toSorted(byName);
}

function balancerViews(
  reading: TreeReading,
  { drains }: Config,
  digests: ReadonlySet<string>,
): readonly BalancerView[] {
  const names = new Set([...namesOf(reading, 'balancerStatus'), ...drains.balancers.keys()]);
  return [...names]
    .map((name) => {
      const key = balancerStatusKey(name);
      const entry = readBalancerEntry(reading.entries.get(key)?.value ?? '');
      const lease = leaseOf(reading, key);
      return {
        name,
        life: lifeOf(lease, entry.stopped),
        leaseLeft: lease.time?.remaining,
        drained: drains.balancers.get(name),
        current: entry.tree === undefined ? undefined : digests.has(entry.tree),
        ...entry,
      };
    })
    .toSorted(byName);
}

function serviceView(name: string, service: Service, planned: Desired, { drains }: Config): ServiceView {
  const { frontend, backends } = service;
  const used = new Set(
    [...planned.values()].flatMap(({ destinations }) => [...destinations.values()].flatMap((each) => each.backends)),
  );
  const unserved = [...planned].filter(([, { destinations }]) =>
    [...destinations.values()].every(({ weight }) => weight === 0),
  );
  const isDrained = (backend: string, value: Backend) => drainsOf(name, backend, value, drains, undefined).length > 0;
  const left = [...backends].filter(([backend, value]) => !isDrained(backend, value));
  const usable = left.filter(([backend]) => used.has(backend));
  const weights = usable.map(([, { weight }]) => weight).filter((weight) => weight > 0);
  return {
    name,
    hasFrontend: frontend !== undefined,
    virtualServices: [...planned.keys()],
    unserved: unserved.map(([key]) => key),
    scheduler: frontend?.scheduler,
    backends: backends.size,
    taking: weights.length,
    weight: weights.reduce((sum, weight) => sum + weight, 0),
    drained: backends.size - left.length,
    unusable: left.length - usable.length,
  };
}

function namesOf({ entries }: TreeReading, kind: 'hostStatus' | 'balancerStatus'): readonly string[] {
  return [...entries.keys()].flatMap((path) => {
    const key = parseKey(path);
    if (key.kind !== kind) return [];
    return [key.kind === 'hostStatus' ? key.host : key.balancer];
  });
}

interface EntryLease {
  readonly present: boolean;
  readonly time: LeaseTime | undefined;
}

function leaseOf({ entries, leases }: TreeReading, key: string): EntryLease {
  const entry = entries.get(key);
  const time = entry?.lease === undefined ? undefined : leases.get(entry.lease);
  return { present: entry !== undefined, time };
}

/** A lease is renewed every third of its time: one that is down to its last third has missed that, and all repetitions. */
function lifeOf({ present, time }: EntryLease, stopped: string | undefined): Life {
  if (!present) return 'gone';
  if (stopped !== undefined) return 'ended';
  if (time === undefined) return 'unleased';
  return time.remaining <= time.granted / 3 ? 'late' : 'up';
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
