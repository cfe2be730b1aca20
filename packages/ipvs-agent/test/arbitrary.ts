import { type Destination, destinationKey, type VirtualService, virtualServiceKey } from '@clusterf/ipvs';
import * as fc from 'fast-check';
import type { Desired } from '../src/plan.js';

/** Few identities, so that two tables meet often; the settings are the kernel's to take as they are. */
const service: fc.Arbitrary<VirtualService> = fc.record({
  id: fc.oneof(
    fc.record({
      family: fc.constant('ipv4' as const),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
      port: fc.constantFrom(80, 81),
    }),
    fc.record({ family: fc.constantFrom('ipv4' as const, 'ipv6' as const), fwmark: fc.constantFrom(1, 2) }),
  ),
  scheduler: fc.constantFrom('rr', 'wlc'),
  schedulerFlags: fc.constant(0),
  onePacket: fc.constant(false),
});

const settings = {
  method: fc.constantFrom('masq' as const, 'droute' as const, 'tunnel' as const),
  weight: fc.integer({ min: 0, max: 3 }),
  upperThreshold: fc.constantFrom(0, 100),
  lowerThreshold: fc.constant(0),
};

function destinations(family: 'ipv4' | 'ipv6'): fc.Arbitrary<Destination[]> {
  const addresses = family === 'ipv4' ? ['127.0.1.1', '127.0.1.2', '127.0.1.3'] : ['::1'];
  return fc.uniqueArray(
    fc.record({
      family: fc.constant(family),
      address: fc.constantFrom(...addresses),
      port: fc.constantFrom(80, 81),
      ...settings,
    }),
    { selector: destinationKey },
  );
}

/** What a plan could ask for. */
export const desiredTable: fc.Arbitrary<Desired> = fc
  .uniqueArray(
    service.chain((s) => destinations(s.id.family).map((d) => ({ service: s, destinations: d }))),
    { selector: (entry) => virtualServiceKey(entry.service.id), maxLength: 6 },
  )
  .map(
    (entries) =>
      new Map(
        entries.map((entry) => [
          virtualServiceKey(entry.service.id),
          {
            service: { ...entry.service, serviceName: 'web' },
            destinations: new Map(entry.destinations.map((d) => [destinationKey(d), { ...d, backends: ['a'] }])),
          },
        ]),
      ),
  );
