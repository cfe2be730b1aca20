/** Which route an address takes, and which services a change of routes concerns. */
import { isDeepStrictEqual } from 'node:util';
import { type Family, parseAddress, parsePrefix, type Route, type Service } from '@clusterf/model';

/** A route with its name, ready to be matched. */
export interface NamedRoute extends Route {
  readonly name: string;
}

/** Finds the route of an address. */
export interface RouteTable {
  lookup(address: string): NamedRoute | undefined;
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
  for (const route of [...routes].map(([name, each]) => ({ ...each, name })).toSorted(byRank))
    table.add(route.prefix, route);
  return { lookup: (address) => table.lookup(address) };
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
  const contains = (address: string | undefined) => address !== undefined && changed.lookup(address) !== undefined;
  return {
    touches: ({ backends }) => {
      for (const { ipv4, ipv6 } of backends.values()) if (contains(ipv4) || contains(ipv6)) return true;
      return false;
    },
  };
}

/**
 * Values by prefix, found by address: that of the longest prefix around it. One look for each length there is, so
 * that thousands of routes cost an address no more than a few.
 */
class PrefixMap<T> {
  readonly #families: Readonly<Record<Family, LengthMap<T>>> = { ipv4: new LengthMap(32), ipv6: new LengthMap(128) };

  get isEmpty(): boolean {
    return this.#families.ipv4.isEmpty && this.#families.ipv6.isEmpty;
  }

  /** Of one prefix the first value stays. No prefix is the shortest of both families. */
  add(text: string | undefined, value: T): void {
    if (text === undefined) {
      for (const family of Object.values(this.#families)) family.add(0n, 0, value);
      return;
    }
    const prefix = parsePrefix(text);
    if (!prefix.ok) return; // The schema lets none such through.
    this.#families[prefix.value.family].add(prefix.value.bits, prefix.value.length, value);
  }

  lookup(text: string): T | undefined {
    if (this.isEmpty) return undefined;
    const address = parseAddress(text);
    return address.ok ? this.#families[address.value.family].lookup(address.value.bits) : undefined;
  }
}

/** Values by prefix of one family. */
class LengthMap<T> {
  /** Longest first; each maps a network's leading bits to its value. */
  readonly #lengths: { readonly length: number; readonly networks: Map<bigint, T> }[] = [];
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  get isEmpty(): boolean {
    return this.#lengths.length === 0;
  }

  add(bits: bigint, length: number, value: T): void {
    let at = this.#lengths.find((each) => each.length === length);
    if (at === undefined) {
      at = { length, networks: new Map() };
      this.#lengths.push(at);
      this.#lengths.sort((a, b) => b.length - a.length);
    }
    const network = this.#leading(bits, length);
    if (!at.networks.has(network)) at.networks.set(network, value);
  }

  lookup(bits: bigint): T | undefined {
    for (const { length, networks } of this.#lengths) {
      const value = networks.get(this.#leading(bits, length));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #leading(bits: bigint, length: number): bigint {
    return bits >> BigInt(this.#width - length);
  }
}

function byRank(a: NamedRoute, b: NamedRoute): number {
  return b.priority - a.priority || (a.name < b.name ? -1 : 1);
}
