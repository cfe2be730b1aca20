/**
 * Where packets to a service end: its backends as destinations, by the routes that lead to them. What depends only on
 * the family (address, route, method) is found once for all protocols.
 */
import { type Destination, destinationKey, type Tunnel, type VirtualServiceId } from '@clusterf/ipvs';
import {
  type Address,
  type Backend,
  type Family,
  type ForwardingMethod,
  type Frontend,
  parseAddress,
  type Protocol,
  type RouteTunnel,
} from '@clusterf/model';
import type { PlannedDestination, PlanOptions } from './plan.js';
import type { ServiceProblems } from './service-problems.js';
import type { RouteTable } from './routes.js';
import { isLoopback, neverDestination } from './usable.js';

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];
/** The kernel's: an int. */
const MAX_WEIGHT = 0x7fff_ffff;
const MAX_LIMIT = 0xffff_ffff;

/** A backend with its name. */
export type NamedBackend = readonly [name: string, backend: Backend];

/** How packets of one family reach a backend. */
export interface Way {
  readonly name: string;
  readonly backend: Backend;
  /** The backend's, or the gateway's. */
  readonly address: Address;
  /** A gateway takes packets as they came, at the frontend's port. */
  readonly byGateway: boolean;
  readonly method: ForwardingMethod;
  readonly tunnel: Tunnel | undefined;
}

/**
 * The ways to those backends that have an address of the family and join one of these virtual services. Which a
 * route leaves out, and which the kernel could not reach, are problems.
 */
export function findWays(
  family: Family,
  ids: readonly VirtualServiceId[],
  backends: readonly NamedBackend[],
  frontend: Frontend,
  routes: RouteTable,
  options: PlanOptions,
  problems: ServiceProblems,
): readonly Way[] {
  const ways: Way[] = [];
  for (const [name, backend] of backends) {
    const own = backend[family] === undefined ? undefined : parseAddress(backend[family], family);
    if (!own?.ok || !ids.some((id) => portOf(backend, id) !== undefined)) continue;
    const route = routes.lookup(own.value);
    if (route !== undefined && route.ipvsMethod === undefined) {
      problems.leftOut(route.name, name);
      continue;
    }
    const address = route?.gateway ?? own.value;
    const method = route?.ipvsMethod ?? frontend.method ?? options.method;
    const obstacle = obstacleTo(address, family, method, options);
    if (obstacle !== undefined) {
      const target = route?.gateway === undefined ? address.text : `route ${route.name}: gateway ${address.text}`;
      problems.ofBackend(name, `${target} ${obstacle}: left out`);
      continue;
    }
    if (method === 'masq' && isLoopback(address))
      problems.ofBackend(name, `${address.text} is a loopback address: by masq only clients on the balancer reach it`);
    const tunnel = method === 'tunnel' ? tunnelOf(route?.tunnel) : undefined;
    ways.push({ name, backend, address, byGateway: route?.gateway !== undefined, method, tunnel });
  }
  return ways;
}

/** Why the kernel would not take such a destination, if so. */
function obstacleTo(
  address: Address,
  family: Family,
  method: ForwardingMethod,
  { syncDaemon }: PlanOptions,
): string | undefined {
  // IPVS_CMD_NEW_DEST in ip_vs_genl_set_cmd.
  if (address.family !== family) {
    if (method !== 'tunnel')
      return `is ${address.family}: the kernel takes another family only by tunnel, not ${method}`;
    if (syncDaemon === true) return `is ${address.family}: the kernel takes no other family while a sync daemon runs`;
  }
  const never = neverDestination(address);
  return never === undefined ? undefined : `${never}, which the kernel takes for no destination`;
}

/** Undefined for plain ipip, which is what the kernel does unless told otherwise. */
function tunnelOf(tunnel: RouteTunnel | undefined): Tunnel | undefined {
  if (tunnel === undefined || tunnel.type === 'ipip') return undefined;
  const { type, port = 0, checksum = false } = tunnel;
  return { type, port: type === 'gue' ? port : 0, checksum: checksum ? 'checksum' : 'none' };
}

/** The destinations of one virtual service, by `destinationKey`. */
export function destinationsAt(
  id: VirtualServiceId,
  ways: readonly Way[],
  problems: ServiceProblems,
): Map<string, PlannedDestination> {
  const destinations = new Map<string, MergedDestination>();
  for (const way of ways) {
    const own = portOf(way.backend, id);
    if (own === undefined) continue;
    const port = way.byGateway ? frontendPort(id) : own;
    if (way.method !== 'masq' && 'port' in id && port !== id.port)
      problems.ofBackend(way.name, `port ${port}: ${way.method} cannot change the port, packets arrive at ${id.port}`);
    const { family, text: address } = way.address;
    const key = destinationKey({ family, address, port });
    const other = destinations.get(key);
    if (other === undefined) destinations.set(key, destinationOf(way, port));
    else merge(other, way, key, problems);
  }
  return destinations;
}

/** A destination that is being put together. */
type MergedDestination = { -readonly [K in keyof Destination]: Destination[K] } & { readonly backends: string[] };

function destinationOf({ name, backend, address, method, tunnel }: Way, port: number): MergedDestination {
  const destination: MergedDestination = {
    family: address.family,
    address: address.text,
    port,
    method,
    weight: backend.weight,
    upperThreshold: backend.upperThreshold ?? 0,
    lowerThreshold: backend.lowerThreshold ?? 0,
    backends: [name],
  };
  if (tunnel !== undefined) destination.tunnel = tunnel;
  return destination;
}

/** Backends that end at one address and port are one destination: the kernel has no other way to say it. */
function merge(into: MergedDestination, way: Way, key: string, problems: ServiceProblems): void {
  const [taken, other] = [say(into), say(way)];
  if (taken !== other)
    problems.ofBackend(way.name, `${other} differs from ${taken} of ${into.backends[0]} at ${key}: ${taken} taken`);
  const weight = into.weight + way.backend.weight;
  if (weight > MAX_WEIGHT) problems.ofBackend(way.name, `weights at ${key} add up to ${weight}: ${MAX_WEIGHT} taken`);
  into.weight = Math.min(weight, MAX_WEIGHT);
  into.upperThreshold = sumOfLimits(into.upperThreshold, way.backend.upperThreshold ?? 0);
  into.lowerThreshold = sumOfLimits(into.lowerThreshold, way.backend.lowerThreshold ?? 0);
  into.backends.push(way.name);
}

function say({ method, tunnel }: { readonly method: string; readonly tunnel?: Tunnel | undefined }): string {
  if (tunnel === undefined) return method;
  return `${method} (${tunnel.type}${tunnel.port === 0 ? '' : ` ${tunnel.port}`}${tunnel.checksum === 'none' ? '' : ' checksum'})`;
}

/** 0 is no limit, and what has no limit together has none. More than the kernel can count is as good as its most. */
function sumOfLimits(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.min(a + b, MAX_LIMIT);
}

/** Undefined: the backend does not speak the protocol. */
function portOf(backend: Backend, id: VirtualServiceId): number | undefined {
  return 'protocol' in id ? backend[id.protocol] : onlyPort(backend);
}

/** Behind a firewall mark, a backend with one port gets all packets there; else each keeps its own (0). */
function onlyPort(backend: Backend): number {
  const ports = new Set(PROTOCOLS.map((protocol) => backend[protocol]).filter((port) => port !== undefined));
  const [port = 0] = ports;
  return ports.size === 1 ? port : 0;
}

function frontendPort(id: VirtualServiceId): number {
  return 'port' in id ? id.port : 0;
}
