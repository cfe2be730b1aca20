import * as fc from 'fast-check';
import { canonicalAddress } from '../../src/address.js';
import type {
  Destination,
  DestinationId,
  Family,
  Persistence,
  Tunnel,
  VirtualService,
  VirtualServiceId,
} from '../../src/index.js';

/** Random values in canonical form, as a dump gives them. */

const port = fc.integer({ min: 0, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
export const family = fc.constantFrom<Family>('ipv4', 'ipv6');
/** As ipvsadm and the kernel take it: no spaces. */
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,14}$/);

export function address(of: Family): fc.Arbitrary<string> {
  return of === 'ipv4' ? fc.ipV4() : fc.ipV6().map((text) => canonicalAddress('ipv6', text) ?? '::');
}

export const serviceId: fc.Arbitrary<VirtualServiceId> = family.chain((of) =>
  fc.oneof(
    fc.record({ family: fc.constant(of), fwmark: fc.integer({ min: 1, max: 0xffff_ffff }) }),
    fc.record({
      family: fc.constant(of),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      address: address(of),
      port,
    }),
  ),
);

function persistence(of: Family): fc.Arbitrary<Persistence> {
  return fc
    .record({
      timeout: fc.integer({ min: 1, max: 31 * 86400 }),
      prefixLength: fc.integer({ min: 1, max: of === 'ipv4' ? 32 : 128 }),
      engine: fc.option(name, { nil: undefined }),
    })
    .map(({ engine, ...rest }) => (engine === undefined ? rest : { ...rest, engine }));
}

export const service: fc.Arbitrary<VirtualService> = serviceId.chain((id) =>
  fc
    .record({
      scheduler: name,
      schedulerFlags: fc.integer({ min: 0, max: 7 }),
      onePacket: fc.boolean(),
      persistence: fc.option(persistence(id.family), { nil: undefined }),
    })
    .map(({ persistence: persisting, ...rest }) => ({ id, ...rest, ...(persisting && { persistence: persisting }) })),
);

const checksum = fc.constantFrom('none' as const, 'checksum' as const, 'remote-checksum' as const);
const tunnel: fc.Arbitrary<Tunnel | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ type: fc.constant('gue' as const), port: fc.integer({ min: 1, max: 65535 }), checksum }),
  fc.record({ type: fc.constant('gre' as const), port: fc.constant(0), checksum }),
);

export const destinationId: fc.Arbitrary<DestinationId> = family.chain((of) =>
  fc.record({ family: fc.constant(of), address: address(of), port }),
);

export const destination: fc.Arbitrary<Destination> = fc
  .record({
    id: destinationId,
    method: fc.constantFrom('masq' as const, 'droute' as const, 'tunnel' as const, 'local' as const, 'bypass' as const),
    weight: port,
    thresholds: fc.tuple(u32, u32),
    tunnel,
  })
  .map(({ id, method, weight, thresholds, tunnel: through }) => ({
    ...id,
    method,
    weight,
    upperThreshold: Math.max(...thresholds),
    lowerThreshold: Math.min(...thresholds),
    ...(method === 'tunnel' && through && { tunnel: through }),
  }));
