/** From rules as the kernel has them, whoever wrote them down, to entries of the tree. */
import {
  type Destination,
  destinationKey,
  type Tunnel,
  type VirtualServiceId,
  virtualServiceKey,
} from '@clusterf/ipvs';
import {
  type Backend,
  backendKey,
  decodeBackend,
  decodeFrontend,
  decodeRoute,
  type Decoded,
  encodeBackend,
  encodeFrontend,
  encodeRoute,
  type Family,
  type ForwardingMethod,
  type Frontend,
  frontendKey,
  routeKey,
} from '@clusterf/model';
import type { Remark } from './remarks.js';

/** One server of a rule, and where it is written. */
export interface ImportedDestination extends Destination {
  readonly at: string;
  readonly method: ForwardingMethod;
}

/** One virtual service with its servers, and where it is written. */
export interface ImportedService {
  readonly at: string;
  readonly id: VirtualServiceId;
  /** How it is balanced; nothing of where it is. */
  readonly settings: Pick<Frontend, 'scheduler' | 'schedulerFlags' | 'persistence' | 'onePacket'>;
  readonly destinations: readonly ImportedDestination[];
}

export interface Imported {
  /** By path, JSON texts, in the order in which they were written down. */
  readonly entries: ReadonlyMap<string, string>;
  readonly remarks: readonly Remark[];
}

/** How packets reach an address: what the tree says of a service as a whole, or else of an address, by a route. */
interface Way {
  readonly method: ForwardingMethod;
  readonly tunnel?: Tunnel;
}

const WIDTH = { ipv4: 32, ipv6: 128 } as const;

/**
 * A service of the tree for each virtual service, named after it, with what its destinations are as backends. Where
 * servers of one service are reached in different ways, or by another tunnel than plain ipip, a route says so.
 */
export function treeOf(services: readonly ImportedService[]): Imported {
  const entries = new Map<string, string>();
  const remarks: Remark[] = [];
  const lose = (at: string, what: string, why: string) => void remarks.push({ kind: 'lost', at, what, why });
  const put = (at: string, key: string, text: string, decoded: Decoded<unknown>) => {
    if (decoded.ok) entries.set(key, text);
    else lose(at, key, decoded.messages.join('; '));
  };
  const { routes, isRouted } = routesFor(services);
  for (const { at, id, settings, destinations } of services) {
    const name = serviceName(id);
    const key = frontendKey(name);
    if (entries.has(key)) {
      lose(at, virtualServiceKey(id), 'it is there already, above; only the first counts');
      continue;
    }
    const obstacle = unsayable(id, destinations);
    if (obstacle !== undefined) {
      lose(at, virtualServiceKey(id), obstacle);
      continue;
    }
    const method = mainMethod(destinations);
    const frontend = encodeFrontend({ ...place(id), ...settings, ...(method !== undefined && { method }) });
    put(at, key, frontend, decodeFrontend(frontend));
    if (!entries.has(key)) continue;
    for (const destination of destinations) {
      const path = backendKey(name, backendName(destination));
      const what = `${virtualServiceKey(id)} -> ${destinationKey(destination)}`;
      if (destination.family !== id.family)
        lose(
          destination.at,
          what,
          `a server of another family than the virtual service’s is said by a route with a Gateway`,
        );
      else if (entries.has(path)) lose(destination.at, what, 'it is there already, above; only the first counts');
      else if (!isRouted(destination, method))
        lose(
          destination.at,
          what,
          `${destination.address} is reached in another way by another service; the tree knows one for each address`,
        );
      else {
        const backend = encodeBackend(backendOf(destination, id));
        put(destination.at, path, backend, decodeBackend(backend));
      }
    }
  }
  for (const [address, { at, family, way }] of routes) {
    const route = encodeRoute({
      prefix: `${address}/${WIDTH[family]}`,
      ipvsMethod: way.method,
      priority: 0,
      ...(way.tunnel && { tunnel: routeTunnel(way.tunnel) }),
    });
    put(at, routeKey(address), route, decodeRoute(route));
    if (way.tunnel?.checksum === 'remote-checksum')
      remarks.push({ kind: 'left', at, what: 'remote checksums', why: 'checksums are taken instead' });
  }
  return { entries, remarks };
}

/** `tcp-10.0.0.1-80`, `tcp-2001:db8::1-80`, `fwmark-5`, `fwmark-5-ipv6`. */
export function serviceName(id: VirtualServiceId): string {
  if ('fwmark' in id) return `fwmark-${id.fwmark}${id.family === 'ipv6' ? '-ipv6' : ''}`;
  return `${id.protocol}-${id.address}-${id.port}`;
}

/** `172.17.0.2-8080`; without a port where that is 0: the one that was asked for. */
function backendName({ address, port }: Destination): string {
  return port === 0 ? address : `${address}-${port}`;
}

/** Why the tree has no way to say it, if so. */
function unsayable(id: VirtualServiceId, destinations: readonly unknown[]): string | undefined {
  if ('fwmark' in id)
    return destinations.length > 0
      ? undefined
      : 'a firewall mark without servers: nothing says whether it is of IPv4 or IPv6';
  return id.port > 0
    ? undefined
    : 'all ports of an address: the tree has single ports, or all that a firewall mark is put on (fwmark)';
}

function place(id: VirtualServiceId): Frontend {
  if ('fwmark' in id) return { fwmark: id.fwmark };
  return { [id.family]: id.address, [id.protocol]: id.port };
}

/** Behind a mark, any one port is the port of all packets. */
function backendOf(destination: Destination, id: VirtualServiceId): Backend {
  const { family, address, port, weight, upperThreshold, lowerThreshold } = destination;
  const protocol = 'protocol' in id ? id.protocol : 'tcp';
  return {
    [family]: address,
    ...(port > 0 && { [protocol]: port }),
    weight,
    ...(upperThreshold > 0 && { upperThreshold }),
    ...(lowerThreshold > 0 && { lowerThreshold }),
  };
}

/** That of most, of as many the first: the fewest routes. */
function mainMethod(destinations: readonly ImportedDestination[]): ForwardingMethod | undefined {
  const counts = new Map<ForwardingMethod, number>();
  for (const { method } of destinations) counts.set(method, (counts.get(method) ?? 0) + 1);
  const [first] = [...counts].toSorted(([, a], [, b]) => b - a);
  return first?.[0];
}

interface NeededRoute {
  readonly at: string;
  readonly family: Family;
  readonly way: Way;
}

/** Routes for the addresses that are not reached as their service says. A route counts for all services alike. */
function routesFor(services: readonly ImportedService[]) {
  const routes = new Map<string, NeededRoute>();
  for (const { destinations } of services) {
    const method = mainMethod(destinations);
    for (const destination of destinations) {
      const { at, address, family } = destination;
      if (!isPlain(destination, method) && !routes.has(address)) routes.set(address, { at, family, way: destination });
    }
  }
  /** Whether the tree, with these routes, leads to the destination as it is meant. */
  const isRouted = (destination: ImportedDestination, method: ForwardingMethod | undefined) => {
    const route = routes.get(destination.address);
    return route === undefined ? isPlain(destination, method) : sameWay(route.way, destination);
  };
  return { routes, isRouted };
}

function isPlain(way: Way, method: ForwardingMethod | undefined): boolean {
  return way.method === method && (way.tunnel === undefined || way.tunnel.type === 'ipip');
}

function sameWay(a: Way, b: Way): boolean {
  const [one, other] = [a.tunnel, b.tunnel];
  return (
    a.method === b.method &&
    (one?.type ?? 'ipip') === (other?.type ?? 'ipip') &&
    (one?.port ?? 0) === (other?.port ?? 0) &&
    (one?.checksum ?? 'none') === (other?.checksum ?? 'none')
  );
}

function routeTunnel({ type, port, checksum }: Tunnel) {
  return { type, ...(port > 0 && { port }), ...(checksum !== 'none' && { checksum: true }) };
}
