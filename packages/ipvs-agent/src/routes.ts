/** Which route an address takes, and which services a change of routes concerns. */
import { isDeepStrictEqual } from 'node:util';
import { type Address, parseAddress, type Route, type Service } from '@clusterf/model';
import { PrefixMap } from './prefix-map.js';

/** A route with its name, ready to be matched and taken. */
export interface NamedRoute extends Omit<Route, 'gateway'> {
  readonly name: string;
  readonly gateway?: Address;
}

/** Finds the route of an address. */
export interface RouteTable {
  lookup(address: Address): NamedRoute | undefined;
}

/** Tells which services a change of routes may concern. */
export interface RouteChange {
  touches(service: Service): boolean;
}

/**
 * The longest prefix wins; the default route (no prefix) has length 0 in both families; ties go to the higher
 * priority, then to the smaller name: the same tree gives the same table on every balancer.
 */
export function routeTable(routes: ReadonlyMap<string, Route>): RouteTable {
  const table = new PrefixMap<NamedRoute>();
  // Of one prefix the first that is added stays.
  for (const route of [...routes].map(named).toSorted(byRank)) table.add(route.prefix, route);
  return table;
}

function named([name, { gateway, ...route }]: readonly [string, Route]): NamedRoute {
  const parsed = gateway === undefined ? undefined : parseAddress(gateway);
  return { name, ...route, ...(parsed?.ok && { gateway: parsed.value }) };
}

function byRank(a: NamedRoute, b: NamedRoute): number {
  return b.priority - a.priority || (a.name < b.name ? -1 : 1);
}

/**
 * What replanning needs to know of a change of routes; `undefined`: they are what they were. A service is touched
 * where one of its backends is under the prefix, old or new, of a route that came, went or changed.
 */
export function changedPrefixes(
  previous: ReadonlyMap<string, Route>,
  now: ReadonlyMap<string, Route>,
): RouteChange | undefined {
  const changed = new PrefixMap<true>();
  for (const name of new Set([...previous.keys(), ...now.keys()])) {
    const before = previous.get(name);
    const after = now.get(name);
    if (before === after || isDeepStrictEqual(before, after)) continue;
    if (before !== undefined) changed.add(before.prefix, true);
    if (after !== undefined) changed.add(after.prefix, true);
  }
  if (changed.isEmpty) return undefined;
  const contains = (text: string | undefined) => {
    const address = text === undefined ? undefined : parseAddress(text);
    return address?.ok === true && changed.lookup(address.value) !== undefined;
  };
  return {
    touches: ({ backends }) => {
      for (const { ipv4, ipv6 } of backends.values()) if (contains(ipv4) || contains(ipv6)) return true;
      return false;
    },
  };
}
