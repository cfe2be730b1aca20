import { type Address, parseAddress, parsePrefix, prefixContains, type Route } from '@clusterf/model';

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
  readonly matches: (address: Address) => boolean;
}

/**
 * The longest prefix wins; the default route (no prefix) has length 0 in both families; ties go to the higher
 * priority, then to the smaller name: the same tree gives the same table on every balancer.
 */
export function routeTable(routes: ReadonlyMap<string, Route>): RouteTable {
  const candidates = [...routes].map(([name, route]) => candidate({ ...route, name })).toSorted(better);
  return {
    lookup: (text) => {
      const address = parseAddress(text);
      return address.ok ? candidates.find(({ matches }) => matches(address.value))?.route : undefined;
    },
  };
}

function candidate(route: NamedRoute): Candidate {
  if (route.prefix === undefined) return { route, length: 0, matches: () => true };
  const prefix = parsePrefix(route.prefix);
  if (!prefix.ok) return { route, length: 0, matches: () => false }; // The schema lets none such through.
  return { route, length: prefix.value.length, matches: (address) => prefixContains(prefix.value, address) };
}

function better(a: Candidate, b: Candidate): number {
  return (
    b.length - a.length ||
    b.route.priority - a.route.priority ||
    (a.route.name < b.route.name ? -1 : a.route.name > b.route.name ? 1 : 0)
  );
}
