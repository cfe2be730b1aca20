import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { prepare } from '../src/commands.js';
import {
  ArgumentError,
  canonicalDestination,
  canonicalSyncDaemon,
  canonicalVirtualService,
  type Command,
  type Destination,
  destinationKey,
  type SyncDaemon,
  type VirtualService,
  type VirtualServiceId,
  virtualServiceKey,
} from '../src/index.js';
import * as arbitrary from './support/arbitraries.js';

const id: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };
const service: VirtualService = { id, scheduler: 'wrr', schedulerFlags: 0, onePacket: false };
const destination: Destination = {
  family: 'ipv4',
  address: '192.0.2.1',
  port: 8080,
  method: 'tunnel',
  weight: 10,
  upperThreshold: 0,
  lowerThreshold: 0,
};
const daemon: SyncDaemon = { role: 'master', interface: 'eth0', syncId: 1 };

/** As from JavaScript, where anything may be anything. */
function withService(change: object): Command {
  return { command: 'newService', service: { ...service, ...change } };
}
function withDestination(change: object): Command {
  return { command: 'newDestination', service: id, destination: { ...destination, ...change } };
}
function withDaemon(change: object): Command {
  return { command: 'newDaemon', daemon: { ...daemon, ...change } };
}

describe('a wrong argument is refused, naming field, value and what was expected', () => {
  test.each<[Command, string]>([
    [
      withService({ id: { ...id, address: '10.0.0.256' } }),
      'service.id.address: got "10.0.0.256", expected an IPv4 address',
    ],
    [withService({ id: { ...id, address: '::1' } }), 'service.id.address: got "::1", expected an IPv4 address'],
    [withService({ id: { ...id, family: 'ipv6' } }), 'service.id.address: got "10.0.0.1", expected an IPv6 address'],
    [withService({ id: { ...id, family: 4 } }), 'service.id.family: got 4, expected one of ipv4, ipv6'],
    [withService({ id: { ...id, port: 70000 } }), 'service.id.port: got 70000, expected an integer from 0 to 65535'],
    [withService({ id: { ...id, port: '80' } }), 'service.id.port: got "80", expected an integer from 0 to 65535'],
    [withService({ id: { ...id, port: 80.5 } }), 'service.id.port: got 80.5, expected an integer from 0 to 65535'],
    [
      withService({ id: { ...id, protocol: 'icmp' } }),
      'service.id.protocol: got "icmp", expected one of tcp, udp, sctp',
    ],
    [
      withService({ id: { family: 'ipv4', fwmark: 0 } }),
      'service.id.fwmark: got 0, expected an integer from 1 to 4294967295',
    ],
    [
      withService({ scheduler: 'sixteen-bytes-it' }),
      'service.scheduler: got "sixteen-bytes-it", expected a name of 1 to 15 printable ASCII characters',
    ],
    [
      withService({ scheduler: '' }),
      'service.scheduler: got "", expected a name of 1 to 15 printable ASCII characters',
    ],
    [withService({ schedulerFlags: 8 }), 'service.schedulerFlags: got 8, expected an integer from 0 to 7'],
    [withService({ onePacket: 1 }), 'service.onePacket: got 1, expected true or false'],
    [
      withService({ persistence: { timeout: 0, prefixLength: 32 } }),
      'service.persistence.timeout: got 0, expected an integer from 1 to 2678400',
    ],
    [
      withService({ persistence: { timeout: 1, prefixLength: 33 } }),
      'service.persistence.prefixLength: got 33, expected an integer from 1 to 32',
    ],
    [
      withService({ persistence: { timeout: 1, prefixLength: 32, engine: 'ü' } }),
      'service.persistence.engine: got "ü", expected a name of 1 to 15 printable ASCII characters',
    ],
    [
      withDestination({ weight: 2 ** 31 }),
      'destination.weight: got 2147483648, expected an integer from 0 to 2147483647',
    ],
    [withDestination({ weight: -1 }), 'destination.weight: got -1, expected an integer from 0 to 2147483647'],
    [withDestination({ lowerThreshold: 1 }), 'destination.lowerThreshold: got 1, expected an integer from 0 to 0'],
    [
      withDestination({ method: 'nat' }),
      'destination.method: got "nat", expected one of masq, droute, tunnel, local, bypass',
    ],
    [
      withDestination({ family: 'ipv6', address: '2001:db8::1', method: 'masq' }),
      'destination.family: got "ipv6", expected ipv4 as the virtual service, or method tunnel',
    ],
    [
      withDestination({ method: 'masq', tunnel: { type: 'gre', port: 0, checksum: 'none' } }),
      'destination.tunnel: got an object, expected nothing where the method is masq',
    ],
    [
      withDestination({ tunnel: { type: 'gue', port: 0, checksum: 'none' } }),
      'destination.tunnel.port: got 0, expected an integer from 1 to 65535',
    ],
    [
      withDestination({ tunnel: { type: 'gre', port: 9, checksum: 'none' } }),
      'destination.tunnel.port: got 9, expected 0 for gre',
    ],
    [withDaemon({ syncId: 256 }), 'daemon.syncId: got 256, expected an integer from 0 to 255'],
    [
      withDaemon({ interface: 'much-too-long-name' }),
      'daemon.interface: got "much-too-long-name", expected a name of 1 to 15 printable ASCII characters',
    ],
    [withDaemon({ group: '10.0.0.1' }), 'daemon.group: got "10.0.0.1", expected an IPv4 or IPv6 multicast address'],
    [withDaemon({ group: 'fe80::1' }), 'daemon.group: got "fe80::1", expected an IPv4 or IPv6 multicast address'],
    [withDaemon({ ttl: 0 }), 'daemon.ttl: got 0, expected an integer from 1 to 255'],
    [
      { command: 'setTimeouts', timeouts: { tcp: -1, tcpFin: 0, udp: 0 } },
      'timeouts.tcp: got -1, expected an integer from 0 to 2678400',
    ],
  ])('%#: %j', (command, expected) => {
    let thrown: unknown;
    try {
      prepare(command);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ArgumentError);
    expect(thrown).toMatchObject({ message: expected, field: expected.slice(0, expected.indexOf(':')) });
  });
});

describe('the canonical form', () => {
  test('is what is already canonical, unchanged', () => {
    fc.assert(
      fc.property(arbitrary.service, arbitrary.destination, (one, other) => {
        expect(canonicalVirtualService(one)).toEqual(one);
        expect(canonicalDestination(other)).toEqual(other);
      }),
    );
  });

  test('leaves out a tunnel that is plain ipip, which a dump does not tell from none', () => {
    const plain = { ...destination, tunnel: { type: 'ipip', port: 0, checksum: 'none' } as const };
    expect(canonicalDestination(plain)).toEqual(destination);
  });

  test('leaves out members that are there but undefined', () => {
    const odd: object = { ...service, persistence: undefined };
    expect(Object.keys(canonicalVirtualService({ ...service, ...odd }))).not.toContain('persistence');
    expect(canonicalSyncDaemon(daemon)).toEqual(daemon);
  });

  test('spells every address in its one way', () => {
    const id6 = { family: 'ipv6', protocol: 'udp', address: '2001:DB8:0::01', port: 53 } as const;
    expect(canonicalVirtualService({ ...service, id: id6 }).id).toEqual({ ...id6, address: '2001:db8::1' });
    expect(canonicalSyncDaemon({ ...daemon, group: 'FF02:0::81' }).group).toBe('ff02::81');
  });
});

describe('keys', () => {
  test.each<[VirtualServiceId, string]>([
    [id, 'tcp 10.0.0.1:80'],
    [{ family: 'ipv6', protocol: 'tcp', address: '2001:DB8::0:1', port: 80 }, 'tcp [2001:db8::1]:80'],
    [{ family: 'ipv4', fwmark: 5 }, 'fwmark ipv4 5'],
    [{ family: 'ipv6', fwmark: 5 }, 'fwmark ipv6 5'],
  ])('of %j is %s', (virtualService, key) => {
    expect(virtualServiceKey(virtualService)).toBe(key);
  });

  test('of destinations are endpoints', () => {
    expect(destinationKey(destination)).toBe('192.0.2.1:8080');
    expect(destinationKey({ family: 'ipv6', address: '::FFFF:192.0.2.1', port: 0 })).toBe('[::ffff:c000:201]:0');
  });

  test('are equal only where identities are', () => {
    fc.assert(
      fc.property(arbitrary.serviceId, arbitrary.serviceId, (a, b) => {
        expect(virtualServiceKey(a) === virtualServiceKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});
