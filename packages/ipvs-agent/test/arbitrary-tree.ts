import * as fc from 'fast-check';

/**
 * Configuration trees as people might write them, entries as JSON: everything that the schema takes, all together,
 * with addresses that meet and addresses that nobody should use.
 */

const V4 = [
  '10.0.0.1',
  '10.0.0.2',
  '10.1.0.1',
  '172.17.0.2',
  '192.0.2.1',
  '127.0.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '240.0.0.1',
];
const V6 = ['fd00::1', 'FD00:0::2', '2001:db8::1', '::1', '::', '::10.0.0.1', '::ffff:10.0.0.1', 'ff02::1', 'fe80::1'];

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const ipv4 = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...V4) }, { weight: 1, arbitrary: fc.ipV4() });
const ipv6 = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...V6) }, { weight: 1, arbitrary: fc.ipV6() });
const port = fc.oneof(fc.constantFrom(53, 80, 8080), fc.integer({ min: 1, max: 65_535 }));
const method = fc.constantFrom('masq', 'droute', 'tunnel');
const limit = fc.oneof(fc.constantFrom(0, 100), fc.integer({ min: 0, max: 0xffff_ffff }));
const endpoint = { ipv4: maybe(ipv4), ipv6: maybe(ipv6), tcp: maybe(port), udp: maybe(port), sctp: maybe(port) };

/** @param schedulers to choose from */
function frontends(schedulers: readonly string[]) {
  return fc.record({
    ...endpoint,
    fwmark: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined, freq: 1 }),
    scheduler: maybe(fc.constantFrom(...schedulers)),
    schedulerFlags: maybe(fc.subarray(['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback', 'flag-1', 'flag-3'])),
    persistence: maybe(
      fc.record({ timeout: fc.integer({ min: 1, max: 2_678_400 }), netmask: maybe(fc.integer({ min: 1, max: 128 })) }),
    ),
    onePacket: maybe(fc.boolean()),
    method: maybe(method),
  });
}

const backend = fc
  .record({
    ...endpoint,
    weight: maybe(fc.oneof(fc.nat(100), fc.nat(0x7fff_ffff))),
    upperThreshold: maybe(limit),
    lowerThreshold: maybe(limit),
    host: maybe(fc.constantFrom('h1', 'h2')),
  })
  .map(({ upperThreshold = 0, lowerThreshold = 0, ...rest }) => ({
    ...rest,
    upperThreshold,
    lowerThreshold: Math.min(upperThreshold, lowerThreshold),
  }));

const prefix = fc.oneof(
  fc.constantFrom('10.0.0.0/8', '10.0.0.0/24', '0.0.0.0/0', 'fd00::/16', '::/0', '127.0.0.0/8'),
  fc.tuple(ipv4, fc.nat(32)).map(([address, length]) => `${address}/${length}`),
);
const route = fc.record({
  Prefix: maybe(prefix),
  Gateway: maybe(fc.oneof(ipv4, ipv6)),
  IPVSMethod: fc.option(method, { nil: undefined, freq: 8 }),
  Priority: maybe(fc.integer({ min: -2, max: 2 })),
  Tunnel: maybe(fc.record({ type: fc.constantFrom('ipip', 'gue', 'gre'), port, checksum: maybe(fc.boolean()) })),
});

const name = fc.constantFrom('a', 'b', 'c', 'ö', 'd e');

/** The entries of one source. */
export function trees(schedulers: readonly string[]): fc.Arbitrary<ReadonlyMap<string, string>> {
  const services = fc.dictionary(
    name,
    fc.record({ frontend: frontends(schedulers), backends: fc.dictionary(name, backend) }),
    { minKeys: 1 },
  );
  const drains = fc.subarray(['hosts/h1', 'hosts/h2', 'backends/a/b', 'backends/b/b', 'backends/c/ö', 'balancers/lb1']);
  return fc.tuple(services, fc.dictionary(name, route, { maxKeys: 3 }), drains).map(([all, routes, drained]) => {
    const entries = new Map<string, string>();
    for (const [service, { frontend, backends }] of Object.entries(all)) {
      entries.set(`services/${service}/frontend`, JSON.stringify(frontend));
      for (const [each, value] of Object.entries(backends))
        entries.set(`services/${service}/backends/${each}`, JSON.stringify(value));
    }
    for (const [each, value] of Object.entries(routes)) entries.set(`routes/${each}`, JSON.stringify(value));
    for (const each of drained) entries.set(`drain/${each}`, '');
    return entries;
  });
}
