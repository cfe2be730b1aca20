import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { type Address, parseAddress, parsePrefix, prefixContains, type Route, type Service } from '@clusterf/model';
import * as fc from 'fast-check';
import { changedPrefixes, routeTable } from '../src/routes.js';

/** Addresses and prefixes that meet: few bits differ, in both families. */
const address = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `10.${a}.0.${b}`),
  fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `fd00:${a}::${b}`),
);
const prefix = fc
  .tuple(address, fc.nat(128))
  .map(([text, length]) => parsePrefix(`${text}/${text.includes(':') ? length : length % 33}`))
  .map((read) => (read.ok ? read.value.text : 'never'));

const route: fc.Arbitrary<Route> = fc.record(
  { prefix, priority: fc.integer({ min: -1, max: 1 }), ipvsMethod: fc.constantFrom('masq', 'droute') },
  { requiredKeys: ['priority'] },
);
const routes = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), route).map(byName);

function byName(named: Readonly<Record<string, Route>>): ReadonlyMap<string, Route> {
  return new Map(Object.entries(named));
}

function parsed(text: string): Address {
  const read = parseAddress(text);
  if (!read.ok) throw new Error(read.message);
  return read.value;
}

function contains({ prefix: text }: Route, inside: string): boolean {
  const around = text === undefined ? undefined : parsePrefix(text);
  return around === undefined || (around.ok && prefixContains(around.value, parsed(inside)));
}

function lengthOf({ prefix: text }: Route): number {
  return Number(text?.split('/')[1] ?? 0);
}

/** The rule as DESIGN §4 has it, one route after the other. */
function rule(all: ReadonlyMap<string, Route>, inside: string): string | undefined {
  return [...all]
    .filter(([, each]) => contains(each, inside))
    .toSorted(([a, x], [b, y]) => lengthOf(y) - lengthOf(x) || y.priority - x.priority || (a < b ? -1 : 1))
    .map(([name]) => name)[0];
}

test('an address takes the longest prefix, then the higher priority, then the smaller name, whatever the routes', () => {
  fc.assert(
    fc.property(routes, address, (all, inside) => {
      expect(routeTable(all).lookup(parsed(inside))?.name).toBe(rule(all, inside));
    }),
    { numRuns: 2000 },
  );
});

test('the order in which routes were read makes no difference', () => {
  fc.assert(
    fc.property(routes, address, (all, inside) => {
      expect(routeTable(new Map([...all].toReversed())).lookup(parsed(inside))).toEqual(
        routeTable(all).lookup(parsed(inside)),
      );
    }),
  );
});

/** A service with backends at these addresses. */
function service(...addresses: string[]): Service {
  return {
    backends: new Map(
      addresses.map((text) => [text, { weight: 10, ...(text.includes(':') ? { ipv6: text } : { ipv4: text }) }]),
    ),
  };
}

describe('a change of routes', () => {
  const wide: Route = { prefix: '10.0.0.0/8', ipvsMethod: 'masq', priority: 0 };
  const narrow: Route = { prefix: '10.1.0.0/16', ipvsMethod: 'droute', priority: 0 };

  test('that is none concerns nobody', () => {
    expect(changedPrefixes(byName({ wide, narrow }), byName({ narrow: { ...narrow }, wide }))).toBeUndefined();
    expect(changedPrefixes(new Map(), new Map())).toBeUndefined();
  });

  test.each<[string, Record<string, Route>, Record<string, Route>]>([
    ['that comes', { wide }, { wide, narrow }],
    ['that goes', { wide, narrow }, { wide }],
    ['that changes', { wide, narrow }, { wide, narrow: { ...narrow, priority: 1 } }],
    ['that is renamed', { wide, narrow }, { wide, other: narrow }],
    ['whose prefix was there', { wide, r: narrow }, { wide, r: { ...narrow, prefix: '192.0.2.0/24' } }],
    ['whose prefix is there now', { wide, r: { ...narrow, prefix: '192.0.2.0/24' } }, { wide, r: narrow }],
  ])('concerns the services with a backend under the prefix of a route %s, and no others', (_, before, after) => {
    const change = changedPrefixes(byName(before), byName(after));
    expect(change?.touches(service('10.2.0.1', '10.1.2.3'))).toBe(true);
    expect(change?.touches(service('10.2.0.1', 'fd00::1'))).toBe(false);
    expect(change?.touches(service())).toBe(false);
  });

  test('of the default route concerns every backend, of both families', () => {
    const change = changedPrefixes(new Map(), byName({ default: { priority: 0 } }));
    expect([service('10.1.2.3'), service('fd00::1'), service()].map((each) => change?.touches(each))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test('never leaves out a service with a backend whose route is another one now', () => {
    fc.assert(
      fc.property(routes, routes, address, (before, after, inside) => {
        const [was, is] = [before, after].map((all) => routeTable(all).lookup(parsed(inside)));
        const touched = changedPrefixes(before, after)?.touches(service(inside)) ?? false;
        expect(touched || isDeepStrictEqual(was, is)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
