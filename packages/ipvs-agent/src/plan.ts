/**
 * From one service of the tree to what the kernel should hold for it. Pure: the same tree gives the same table
 * everywhere. planner.ts puts the services' plans together.
 */
import {
  type Destination,
  type Persistence,
  type VirtualService,
  type VirtualServiceId,
  virtualServiceKey,
} from '@clusterf/ipvs';
import type { Drains, Family, ForwardingMethod, Frontend, Problem, Protocol, Service } from '@clusterf/model';
import { destinationsAt, findWays, type NamedBackend } from './destinations.js';
import { withDrains } from './drained.js';
import type { RouteTable } from './routes.js';
import { schedulerFlags } from './scheduler.js';
import { ServiceProblems } from './service-problems.js';
import type { TableEntry } from './table.js';
import { neverVirtual } from './usable.js';

export interface PlanOptions {
  /** Where neither route nor frontend says: `--ipvs-fwd-method`. */
  readonly method: ForwardingMethod;
  /** Where the frontend does not say: `--ipvs-sched-name`. */
  readonly scheduler: string;
  /** Leave out virtual services without destinations: `--elide`. */
  readonly elide: boolean;
  /** Only backends that this Docker host registered: `--only-host`. */
  readonly onlyHost?: string | undefined;
  /** A sync daemon runs on this balancer: the kernel then takes no destinations of another family. */
  readonly syncDaemon?: boolean;
  /** The etcd that a virtual service would cut this balancer off from, as the source names it. */
  readonly etcdServedAt?: ((id: VirtualServiceId) => string | undefined) | undefined;
}

/** Names go along with addresses, for logs and for people. */
export interface PlannedService extends VirtualService {
  readonly serviceName: string;
}
export interface PlannedDestination extends Destination {
  /** All backends that end at this address and port, sorted. */
  readonly backends: readonly string[];
}
export type PlannedEntry = TableEntry<PlannedService, PlannedDestination>;

/** What the kernel should hold, by `virtualServiceKey`. */
export type Desired = ReadonlyMap<string, PlannedEntry>;

/** What else of the tree a service's plan depends on. */
export interface PlanCircumstances {
  readonly routes: RouteTable;
  readonly drains: Drains;
}

export interface ServicePlan {
  readonly entries: readonly PlannedEntry[];
  readonly problems: readonly Problem[];
}

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/** One service's virtual services and destinations, with what is wrong or left out and why. */
export function planService(
  name: string,
  service: Service,
  { routes, drains }: PlanCircumstances,
  options: PlanOptions,
): ServicePlan {
  const { frontend } = service;
  if (frontend === undefined) return { entries: [], problems: [] };
  const problems = new ServiceProblems(name);
  const ids = virtualServiceIds(frontend, service, options, problems);
  if (frontend.onePacket === true && ids.length > 0 && !ids.some(carriesDatagrams))
    problems.ofFrontend('onePacket: expected udp or fwmark, only datagrams can be scheduled one by one; ignored');
  const { onlyHost } = options;
  const backends = withDrains(name, backendsOf(service, onlyHost), drains, onlyHost);
  const entries = FAMILIES.flatMap((family) => {
    const idsOfFamily = ids.filter((id) => id.family === family);
    const ways = findWays(family, idsOfFamily, backends, frontend, routes, options, problems);
    return idsOfFamily.map((id): PlannedEntry => {
      const destinations = destinationsAt(id, ways, problems);
      return { service: { serviceName: name, ...settings(frontend, id, options, problems) }, destinations };
    });
  });
  return {
    entries: options.elide ? entries.filter(({ destinations }) => destinations.size > 0) : entries,
    problems: problems.list(),
  };
}

/** In the order of names, in which they are merged. */
function backendsOf({ backends }: Service, onlyHost: string | undefined): readonly NamedBackend[] {
  const all = onlyHost === undefined ? [...backends] : [...backends].filter(([, { host }]) => host === onlyHost);
  return all.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** One per (family, protocol) with an address and a port; a firewall mark matches by itself, once per family. */
function virtualServiceIds(
  frontend: Frontend,
  service: Service,
  { etcdServedAt }: PlanOptions,
  problems: ServiceProblems,
): readonly VirtualServiceId[] {
  if (frontend.fwmark !== undefined) return markIds(frontend.fwmark, frontend, service, problems);
  const ids = FAMILIES.flatMap((family) =>
    PROTOCOLS.flatMap((protocol) => {
      const address = frontend[family];
      const port = frontend[protocol];
      return address === undefined || port === undefined ? [] : [{ family, protocol, address, port }];
    }),
  );
  if (ids.length === 0)
    problems.ofFrontend('publishes nothing: expected an address (ipv4, ipv6) with a port (tcp, udp, sctp), or fwmark');
  return ids.filter((id) => {
    const { family, address } = id;
    const never = neverVirtual(address);
    if (never !== undefined)
      problems.ofFrontend(`${family} ${address} ${never}: expected one that clients send to; not published`);
    const etcd = etcdServedAt?.(id);
    if (etcd !== undefined)
      problems.ofFrontend(
        `${virtualServiceKey(id)} is where this balancer reaches etcd (${etcd}): it would cut itself off; not published`,
      );
    return never === undefined && etcd === undefined;
  });
}

/** A mark has no address: the families are those the frontend names, else those its backends have. */
function markIds(
  fwmark: number,
  frontend: Frontend,
  { backends }: Service,
  problems: ServiceProblems,
): readonly VirtualServiceId[] {
  const ports = PROTOCOLS.filter((protocol) => frontend[protocol] !== undefined);
  if (ports.length > 0)
    problems.ofFrontend(`fwmark ${fwmark}: packets are taken by their mark, ${ports.join(', ')} ignored`);
  const named = FAMILIES.filter((family) => frontend[family] !== undefined);
  const used = FAMILIES.filter((family) => [...backends.values()].some((backend) => backend[family] !== undefined));
  const families = named.length > 0 ? named : used;
  if (families.length === 0)
    problems.ofFrontend(`fwmark ${fwmark} publishes nothing: expected ipv4 or ipv6 here or in a backend`);
  return families.map((family) => ({ family, fwmark }));
}

function settings(
  frontend: Frontend,
  id: VirtualServiceId,
  options: PlanOptions,
  problems: ServiceProblems,
): VirtualService {
  const scheduler = frontend.scheduler ?? options.scheduler;
  const flags = schedulerFlags(scheduler, frontend.schedulerFlags);
  for (const flag of flags.unknown)
    problems.ofFrontend(`schedulerFlags: scheduler ${scheduler} has no ${JSON.stringify(flag)}: ignored`);
  const persistence = frontend.persistence && persistenceOf(frontend.persistence, id.family, problems);
  return {
    id,
    scheduler,
    schedulerFlags: flags.bits,
    onePacket: frontend.onePacket === true && carriesDatagrams(id),
    ...(persistence && { persistence }),
  };
}

/** Only datagrams can be scheduled one by one; a mark may carry them. */
function carriesDatagrams(id: VirtualServiceId): boolean {
  return 'fwmark' in id || id.protocol === 'udp';
}

function persistenceOf(
  { timeout, netmask }: NonNullable<Frontend['persistence']>,
  family: Family,
  problems: ServiceProblems,
): Persistence {
  const whole = family === 'ipv4' ? 32 : 128;
  if (netmask !== undefined && netmask > whole)
    problems.ofFrontend(`persistence.netmask ${netmask} is longer than an ${family} address: ${whole} taken`);
  return { timeout, prefixLength: Math.min(netmask ?? whole, whole) };
}
