import type { Route } from '@clusterf/model';
import { BlockList, isIP } from 'node:net';

/** A route with its name, ready to be matched. */
export interface NamedRoute extends Route {
  readonly name: string;
}

/** Finds the route of an address. */
export interface RouteTable {
  lookup(address: string): NamedRoute | undefined;
}

interface Candidate {
  readonly route: NamedRoute;
  readonly length: number;
  readonly matches: (address: string) => boolean;
}

/**
 * The longest prefix wins; the default route (no prefix) has length 0 in both families; ties go to the higher
 * priority, then to the smaller name: the same tree gives the same table on every balancer.
 */
export function routeTable(routes: ReadonlyMap<string, Route>): RouteTable {
  const candidates = [...routes].map(([name, route]) => candidate({ ...route, name })).toSorted(better);
  return { lookup: (address) => candidates.find((c) => c.matches(address))?.route };
}

function candidate(route: NamedRoute): Candidate {
  if (route.prefix === undefined) return { route, length: 0, matches: () => true };
  const [network = '', length = ''] = route.prefix.split('/');
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const block = new BlockList();
  block.addSubnet(network, Number(length), family);
  // BlockList would match an IPv4-mapped IPv6 address against IPv4 subnets: compare families first.
  const matches = (address: string) => isIP(address) === (family === 'ipv6' ? 6 : 4) && block.check(address, family);
  return { route, length: Number(length), matches };
}

function better(a: Candidate, b: Candidate): number {
  return (
    b.length - a.length ||
    b.route.priority - a.route.priority ||
    (a.route.name < b.route.name ? -1 : a.route.name > b.route.name ? 1 : 0)
  );
}
