/**
 * From one service of the tree to what the kernel should hold for it. Pure: the same tree gives the same table
 * everywhere. planner.ts puts the services' plans together.
 */
import {
  type Destination,
  type DestinationId,
  destinationKey,
  type Persistence,
  type VirtualService,
  type VirtualServiceId,
} from '@clusterf/ipvs';
import type { Backend, Family, ForwardingMethod, Frontend, Problem, Protocol, Service } from '@clusterf/model';
import type { RouteTable } from './routes.js';
import { schedulerFlags } from './scheduler.js';
import type { TableEntry } from './table.js';

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

export interface ServicePlan {
  readonly entries: readonly PlannedEntry[];
  readonly problems: readonly Problem[];
}

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];
/** The kernel's: an int. */
const MAX_WEIGHT = 0x7fff_ffff;
const MAX_LIMIT = 0xffff_ffff;

/** One service's virtual services and destinations, with what is wrong or left out and why. */
export function planService(name: string, service: Service, routes: RouteTable, options: PlanOptions): ServicePlan {
  const { frontend } = service;
  if (frontend === undefined) return { entries: [], problems: [] };
  const problems: Problem[] = [];
  const ids = virtualServiceIds(frontend, service);
  if (ids.length === 0)
    problems.push(
      frontendProblem(
        name,
        'publishes nothing: expected an address (ipv4, ipv6) with a port (tcp, udp, sctp), or fwmark',
      ),
    );
  const entries: PlannedEntry[] = [];
  for (const id of ids) {
    const destinations = planDestinations(name, service, frontend, id, routes, options, problems);
    if (destinations.size > 0 || !options.elide)
      entries.push({
        service: { serviceName: name, ...settings(name, frontend, id, options, problems) },
        destinations,
      });
  }
  return { entries, problems: unique(problems) };
}

/** One per (family, protocol) with an address and a port; a firewall mark matches by itself, once per family. */
function virtualServiceIds(frontend: Frontend, service: Service): VirtualServiceId[] {
  const { fwmark } = frontend;
  if (fwmark !== undefined) {
    // A mark has no address: the families are those the frontend names, else those its backends have.
    const named = FAMILIES.filter((family) => frontend[family] !== undefined);
    const used = FAMILIES.filter((family) => [...service.backends.values()].some((b) => b[family] !== undefined));
    return (named.length > 0 ? named : used).map((family) => ({ family, fwmark }));
  }
  return FAMILIES.flatMap((family) =>
    PROTOCOLS.flatMap((protocol) => {
      const address = frontend[family];
      const port = frontend[protocol];
      return address === undefined || port === undefined ? [] : [{ family, protocol, address, port }];
    }),
  );
}

function settings(
  name: string,
  frontend: Frontend,
  id: VirtualServiceId,
  options: PlanOptions,
  problems: Problem[],
): VirtualService {
  const scheduler = frontend.scheduler ?? options.scheduler;
  const flags = schedulerFlags(scheduler, frontend.schedulerFlags);
  for (const flag of flags.unknown)
    problems.push(
      frontendProblem(name, `schedulerFlags: scheduler ${scheduler} has no ${JSON.stringify(flag)}: ignored`),
    );
  const persistence = frontend.persistence && persistenceOf(name, frontend.persistence, id.family, problems);
  return {
    id,
    scheduler,
    schedulerFlags: flags.bits,
    // Only datagrams can be scheduled one by one; a mark may carry them.
    onePacket: frontend.onePacket === true && (!('protocol' in id) || id.protocol === 'udp'),
    ...(persistence && { persistence }),
  };
}

function persistenceOf(
  name: string,
  { timeout, netmask }: NonNullable<Frontend['persistence']>,
  family: Family,
  problems: Problem[],
): Persistence {
  const whole = family === 'ipv4' ? 32 : 128;
  if (netmask !== undefined && netmask > whole)
    problems.push(
      frontendProblem(name, `persistence.netmask ${netmask} is longer than an ${family} address: ${whole} taken`),
    );
  return { timeout, prefixLength: Math.min(netmask ?? whole, whole) };
}

function planDestinations(
  name: string,
  service: Service,
  frontend: Frontend,
  id: VirtualServiceId,
  routes: RouteTable,
  options: PlanOptions,
  problems: Problem[],
): Map<string, PlannedDestination> {
  const destinations = new Map<string, PlannedDestination>();
  /** How many backends each route leaves out. */
  const leftOut = new Map<string, number>();
  for (const backendName of [...service.backends.keys()].toSorted()) {
    const backend = service.backends.get(backendName);
    if (backend === undefined) continue;
    if (options.onlyHost !== undefined && backend.host !== options.onlyHost) continue;
    const destination = planDestination(frontend, backend, id, routes, options);
    if (destination === undefined) continue;
    if ('leftOutBy' in destination) {
      leftOut.set(destination.leftOutBy, (leftOut.get(destination.leftOutBy) ?? 0) + 1);
      continue;
    }
    const problem = (message: string) => problems.push(backendProblem(name, backendName, message));
    if (destination.problem !== undefined) problem(destination.problem);
    if (destination.value === undefined) continue;
    const planned: PlannedDestination = { ...destination.value, backends: [backendName] };
    const key = destinationKey(planned);
    const other = destinations.get(key);
    destinations.set(key, other === undefined ? planned : merge(other, planned, problem));
  }
  for (const [route, count] of leftOut)
    problems.push(frontendProblem(name, `route ${route} has no IPVSMethod: backends left out: ${count}`));
  return destinations;
}

/** `undefined`: the backend does not speak this family or protocol. */
function planDestination(
  frontend: Frontend,
  backend: Backend,
  id: VirtualServiceId,
  routes: RouteTable,
  options: PlanOptions,
): { readonly value?: Destination; readonly problem?: string } | { readonly leftOutBy: string } | undefined {
  const address = backend[id.family];
  const port = 'protocol' in id ? backend[id.protocol] : onlyPort(backend);
  if (address === undefined || port === undefined) return undefined;

  const route = routes.lookup(address);
  if (route !== undefined && route.ipvsMethod === undefined) return { leftOutBy: route.name };
  const method = route?.ipvsMethod ?? frontend.method ?? options.method;
  const frontendPort = 'protocol' in id ? id.port : 0;
  const target: DestinationId =
    route?.gateway === undefined
      ? { family: id.family, address, port }
      : { family: route.gateway.includes(':') ? 'ipv6' : 'ipv4', address: route.gateway, port: frontendPort };

  if (target.family !== id.family && method !== 'tunnel')
    return {
      problem: `route ${route?.name}: gateway ${target.address} is ${target.family}: the kernel takes another family only by tunnel, not ${method}`,
    };

  const { type, port: tunnelPort, checksum } = route?.tunnel ?? {};
  const value: Destination = {
    ...target,
    method,
    weight: backend.weight,
    upperThreshold: backend.upperThreshold ?? 0,
    lowerThreshold: backend.lowerThreshold ?? 0,
    ...(method === 'tunnel' &&
      type !== undefined && {
        tunnel: {
          type,
          port: type === 'gue' ? (tunnelPort ?? 0) : 0,
          checksum: checksum === true && type !== 'ipip' ? 'checksum' : 'none',
        },
      }),
  };
  return method !== 'masq' && target.port !== frontendPort && 'protocol' in id
    ? { value, problem: `port ${target.port}: ${method} cannot change the port, packets arrive at ${frontendPort}` }
    : { value };
}

/** Behind a firewall mark, a backend with one port gets all packets there; else each keeps its own (0). */
function onlyPort(backend: Backend): number {
  const ports = new Set(PROTOCOLS.map((protocol) => backend[protocol]).filter((port) => port !== undefined));
  const [port = 0] = ports;
  return ports.size === 1 ? port : 0;
}

/** Backends that end at one address and port are one destination: the kernel has no other way to say it. */
function merge(
  first: PlannedDestination,
  second: PlannedDestination,
  problem: (message: string) => void,
): PlannedDestination {
  if (first.method !== second.method)
    problem(
      `${second.method} differs from ${first.method} of ${first.backends[0]} at ${destinationKey(first)}: ${first.method} taken`,
    );
  const weight = first.weight + second.weight;
  if (weight > MAX_WEIGHT) problem(`weights at ${destinationKey(first)} add up to ${weight}: ${MAX_WEIGHT} taken`);
  return {
    ...first,
    weight: Math.min(weight, MAX_WEIGHT),
    upperThreshold: sumOfLimits(first.upperThreshold, second.upperThreshold),
    lowerThreshold: sumOfLimits(first.lowerThreshold, second.lowerThreshold),
    backends: [...first.backends, ...second.backends],
  };
}

/** 0 is no limit, and what has no limit together has none. More than the kernel can count is as good as its most. */
function sumOfLimits(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.min(a + b, MAX_LIMIT);
}

function frontendProblem(service: string, message: string): Problem {
  return { source: 'plan', key: `services/${service}/frontend`, message };
}

function backendProblem(service: string, backend: string, message: string): Problem {
  return { source: 'plan', key: `services/${service}/backends/${backend}`, message };
}

/** Several virtual services of one frontend find the same things wrong. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((p) => [`${p.key}\n${p.message}`, p])).values()];
}
