import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CMD, DEST, STATS, STATS64, type StatsTable, SVC } from '../src/attributes.js';
import type { Command } from '../src/commands.js';
import { prepare } from '../src/commands.js';
import { decodeDaemon, decodeObservedDestination, decodeObservedService, decodeTimeouts } from '../src/decode.js';
import type { Destination, Stats, VirtualService, VirtualServiceId } from '../src/index.js';
import type { NestedAttribute } from '../src/netlink/attribute.js';
import { type Attributes, attributesOf, messages } from '../src/netlink/reader.js';
import { Writer } from '../src/netlink/writer.js';
import * as arbitrary from './support/arbitraries.js';
import { message, payloadOf, traceOf } from './support/trace.js';

const web: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };
const web6: VirtualServiceId = { family: 'ipv6', protocol: 'tcp', address: '2001:db8::1', port: 443 };
const plain = { schedulerFlags: 0, onePacket: false };

const SERVICES: readonly [string, 'newService' | 'setService', VirtualService][] = [
  ['ipvsadm -A -t 10.0.0.1:80 -s wrr', 'newService', { id: web, scheduler: 'wrr', ...plain }],
  [
    'ipvsadm -A -u 10.0.0.1:53 -s rr -o',
    'newService',
    { id: { ...web, protocol: 'udp', port: 53 }, scheduler: 'rr', ...plain, onePacket: true },
  ],
  [
    'ipvsadm -A --sctp-service 10.0.0.1:132 -s lc',
    'newService',
    { id: { ...web, protocol: 'sctp', port: 132 }, scheduler: 'lc', ...plain },
  ],
  [
    'ipvsadm -A -t [2001:db8::1]:443 -s sh -b sh-fallback,sh-port',
    'newService',
    { id: web6, scheduler: 'sh', ...plain, schedulerFlags: 3 },
  ],
  ['ipvsadm -A -f 5 -s wlc', 'newService', { id: { family: 'ipv4', fwmark: 5 }, scheduler: 'wlc', ...plain }],
  [
    'ipvsadm -A -f 6 -6 -s mh -b flag-1,flag-2,flag-3 -p 120',
    'newService',
    {
      id: { family: 'ipv6', fwmark: 6 },
      scheduler: 'mh',
      ...plain,
      schedulerFlags: 7,
      persistence: { timeout: 120, prefixLength: 128 },
    },
  ],
  [
    'ipvsadm -A -t 10.0.0.2:80 -s wlc -p 300 -M 255.255.255.0',
    'newService',
    {
      id: { ...web, address: '10.0.0.2' },
      scheduler: 'wlc',
      ...plain,
      persistence: { timeout: 300, prefixLength: 24 },
    },
  ],
  [
    'ipvsadm -A -t [2001:db8::2]:80 -s wlc -p 300 -M 64',
    'newService',
    {
      id: { ...web6, address: '2001:db8::2', port: 80 },
      scheduler: 'wlc',
      ...plain,
      persistence: { timeout: 300, prefixLength: 64 },
    },
  ],
  [
    'ipvsadm -A -u 10.0.0.3:5060 -s rr -p 60 --pe sip',
    'newService',
    {
      id: { family: 'ipv4', protocol: 'udp', address: '10.0.0.3', port: 5060 },
      scheduler: 'rr',
      ...plain,
      persistence: { timeout: 60, prefixLength: 32, engine: 'sip' },
    },
  ],
  [
    'ipvsadm -E -t 10.0.0.1:80 -s mh -b mh-port',
    'setService',
    { id: web, scheduler: 'mh', ...plain, schedulerFlags: 2 },
  ],
];

function to(address: string, settings: Partial<Destination>): Destination {
  return {
    family: address.includes(':') ? 'ipv6' : 'ipv4',
    address,
    port: 80,
    method: 'tunnel',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    ...settings,
  };
}

const DESTINATIONS: readonly [string, VirtualServiceId, Destination][] = [
  ['-t 10.0.0.1:80 -r 192.0.2.1:8080 -m -w 10', web, to('192.0.2.1', { port: 8080, method: 'masq', weight: 10 })],
  ['-t 10.0.0.1:80 -r 192.0.2.2:80 -g -w 0', web, to('192.0.2.2', { method: 'droute', weight: 0 })],
  [
    '-t 10.0.0.1:80 -r 192.0.2.3:80 -i -w 65535 -x 1000 -y 10',
    web,
    to('192.0.2.3', { weight: 65535, upperThreshold: 1000, lowerThreshold: 10 }),
  ],
  [
    '-t 10.0.0.1:80 -r 192.0.2.4:80 -i --tun-type gue --tun-port 6080 --tun-remcsum',
    web,
    to('192.0.2.4', { tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } }),
  ],
  [
    '-t 10.0.0.1:80 -r 192.0.2.5:80 -i --tun-type gre --tun-csum',
    web,
    to('192.0.2.5', { tunnel: { type: 'gre', port: 0, checksum: 'checksum' } }),
  ],
  ['-t 10.0.0.1:80 -r [2001:db8::5]:80 -i', web, to('2001:db8::5', {})],
  ['-t [2001:db8::1]:443 -r [2001:db8::11]:443 -g', web6, to('2001:db8::11', { port: 443, method: 'droute' })],
  ['-f 5 -r 192.0.2.9 -g', { family: 'ipv4', fwmark: 5 }, to('192.0.2.9', { port: 0, method: 'droute' })],
];

const REST: readonly [string, Command][] = [
  ['ipvsadm -Z', { command: 'zero' }],
  ['ipvsadm -C', { command: 'flush' }],
  ['ipvsadm --set 900 120 300', { command: 'setTimeouts', timeouts: { tcp: 900, tcpFin: 120, udp: 300 } }],
  [
    'ipvsadm --start-daemon master --mcast-interface lo --syncid 7',
    { command: 'newDaemon', daemon: { role: 'master', interface: 'lo', syncId: 7 } },
  ],
  [
    'ipvsadm --start-daemon backup --mcast-interface lo --syncid 8 --sync-maxlen 1400 --mcast-group 239.1.2.3 --mcast-port 9000 --mcast-ttl 3',
    {
      command: 'newDaemon',
      daemon: { role: 'backup', interface: 'lo', syncId: 8, maxLength: 1400, group: '239.1.2.3', port: 9000, ttl: 3 },
    },
  ],
  [
    'ipvsadm --start-daemon master --mcast-interface dummy0 --syncid 9 --mcast-group ff02::81 --mcast-port 9001 --mcast-ttl 4',
    {
      command: 'newDaemon',
      daemon: { role: 'master', interface: 'dummy0', syncId: 9, group: 'ff02::81', port: 9001, ttl: 4 },
    },
  ],
];

/** The traces are of a little-endian machine. */
describe('what is sent', () => {
  test.each(SERVICES)('is for %s what ipvsadm sends', (line, command, service) => {
    expect(payloadOf({ command, service })).toBe(traceOf(line).requests[0]?.payload);
  });

  test.each(DESTINATIONS)(
    'says of the destination in ipvsadm -a %s what ipvsadm says',
    (line, service, destination) => {
      const ours = payloadOf({ command: 'newDestination', service, destination });
      const theirs = traceOf(`ipvsadm -a ${line}`).requests[0]?.payload ?? '';
      // Of the virtual service ipvsadm repeats the settings too, which the kernel does not look at.
      const identity = payloadOf({ command: 'delService', service }).slice(8);
      expect(ours.slice(0, 8)).toBe(theirs.slice(0, 8));
      expect(ours.slice(8, 8 + identity.length)).toBe(identity);
      expect(theirs.endsWith(ours.slice(8 + identity.length))).toBe(true);
    },
  );

  test.each(REST)('is for %s what ipvsadm sends', (line, command) => {
    expect(payloadOf(command)).toBe(traceOf(line).requests[0]?.payload);
  });

  test.each([
    ['ipvsadm -D -t 10.0.0.1:80', { command: 'delService', service: web }],
    ['ipvsadm -D -f 6 -6', { command: 'delService', service: { family: 'ipv6', fwmark: 6 } }],
    ['ipvsadm -Z -t 10.0.0.1:80', { command: 'zero', service: web }],
    ['ipvsadm --stop-daemon master', { command: 'delDaemon', role: 'master' }],
  ] as const)('names for %s what ipvsadm names, and leaves out what the kernel ignores', (line, command) => {
    const ours = payloadOf(command);
    const theirs = traceOf(line).requests[0]?.payload ?? '';
    expect(ours.slice(0, 8)).toBe(theirs.slice(0, 8));
    // After the header of the nested attribute, whose length differs.
    expect(theirs.slice(16).startsWith(ours.slice(16))).toBe(true);
  });
});

function byId(a: VirtualService, b: VirtualService): number {
  return JSON.stringify(a.id) < JSON.stringify(b.id) ? -1 : 1;
}

describe('what ipvsadm got from the kernel', () => {
  const answers = traceOf('ipvsadm -L -n').answers.map(({ payload }) => parse(message(payload)));

  test('says all of the virtual services that were asked for, and no more', () => {
    const seen = answers.filter((answer) => answer.within(CMD.service)).map((answer) => decodeObservedService(answer));
    // The last command of each virtual service is what holds.
    const asked = new Map(SERVICES.map(([, , service]) => [JSON.stringify(service.id), service]));
    expect(seen.map(({ stats: _stats, ...service }) => service).toSorted(byId)).toEqual(
      [...asked.values()].toSorted(byId),
    );
  });

  test('says all of the destinations that were asked for, and no more', () => {
    const seen = answers
      .filter((answer) => answer.within(CMD.destination))
      .map((a) => decodeObservedDestination(a, 'ipv4'));
    const asked = DESTINATIONS.map(([, , destination]) => destination).map((destination) =>
      destination.port === 8080 ? { ...destination, weight: 20 } : destination,
    );
    expect(new Set(seen.map(({ address }) => address))).toEqual(new Set(asked.map(({ address }) => address)));
    for (const destination of asked) {
      expect(seen).toContainEqual({
        ...destination,
        activeConnections: 0,
        inactiveConnections: 0,
        persistentConnections: 0,
        stats: expect.objectContaining({ connections: 0n, bytesOutPerSecond: 0n }),
      });
    }
  });

  test('gives the daemons with what the kernel filled in', () => {
    const { answers: daemons } = traceOf('ipvsadm -L --daemon');
    expect(daemons.map(({ payload }) => decodeDaemon(parse(message(payload))))).toEqual([
      { role: 'master', interface: 'lo', syncId: 7, maxLength: 1472, group: '224.0.0.81', port: 8848, ttl: 1 },
      { role: 'backup', interface: 'lo', syncId: 8, maxLength: 1400, group: '239.1.2.3', port: 9000, ttl: 3 },
    ]);
  });

  test('gives the timeouts in seconds', () => {
    const [answer] = traceOf('ipvsadm -L --timeout').answers;
    expect(decodeTimeouts(parse(message(answer?.payload ?? '')))).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
  });
});

describe('a round trip', () => {
  test('brings back every virtual service, with either size of statistics', () => {
    fc.assert(
      fc.property(arbitrary.service, stats, fc.boolean(), (service, counters, wide) => {
        const bytes = written({ command: 'newService', service }, (writer) => {
          writer.nest(wide ? SVC.stats64 : SVC.stats, (w) => putStats(w, wide ? STATS64 : STATS, counters));
        });
        expect(decodeObservedService(parse(bytes))).toEqual({ ...service, stats: counters });
      }),
    );
  });

  test('brings back every destination', () => {
    fc.assert(
      fc.property(
        arbitrary.destination,
        stats,
        fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
        (one, counters, n) => {
          const [activeConnections = 0, inactiveConnections = 0, persistentConnections = 0] = n;
          const bytes = written(
            { command: 'newDestination', service: { family: one.family, fwmark: 1 }, destination: one },
            (w) => {
              w.put(DEST.activeConnections, activeConnections);
              w.put(DEST.inactiveConnections, inactiveConnections);
              w.put(DEST.persistentConnections, persistentConnections);
              w.nest(DEST.stats64, (inner) => putStats(inner, STATS64, counters));
            },
          );
          expect(decodeObservedDestination(parse(bytes), 'ipv4')).toEqual({
            ...one,
            activeConnections,
            inactiveConnections,
            persistentConnections,
            stats: counters,
          });
        },
      ),
    );
  });

  test('leaves in a buffer used before nothing of what was there', () => {
    const used = new Writer();
    fc.assert(
      fc.property(arbitrary.service, arbitrary.destination, (one, { tunnel: _tunnel, ...other }) => {
        const crossing: Destination = { ...other, method: 'tunnel' };
        const command: Command = { command: 'newDestination', service: one.id, destination: crossing };
        used.clear();
        used.message({ type: 0xffff, flags: 0xffff, sequence: 0xffffffff, command: 255, version: 255 }, (writer) => {
          for (let i = 0; i < 16; i++) writer.put(DEST.address.ipv6, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
        });
        for (const { number, body } of [prepare({ command: 'newService', service: one }), prepare(command)]) {
          const header = { type: 28, flags: 5, sequence: 1, command: number, version: 1 };
          const fresh = new Writer();
          fresh.message(header, body);
          used.clear();
          used.message(header, body);
          expect(used.datagram()).toEqual(fresh.datagram());
        }
      }),
    );
  });

  test('of many messages in one buffer finds each at a multiple of four, the buffer growing on the way', () => {
    const writer = new Writer(64);
    fc.assert(
      fc.property(fc.array(arbitrary.service, { minLength: 1, maxLength: 40 }), (services) => {
        writer.clear();
        for (const [index, service] of services.entries()) {
          const { number, body } = prepare({ command: 'newService', service });
          expect(writer.datagram().length % 4).toBe(0);
          writer.message({ type: 28, flags: 1, sequence: index, command: number, version: 1 }, body);
        }
        const read = [...messages(writer.datagram())];
        expect(read.map(({ sequence }) => sequence)).toEqual(services.map((_, index) => index));
        expect(read.map((one) => attributesOf(one).needWithin(CMD.service).need(SVC.scheduler))).toEqual(
          services.map(({ scheduler }) => scheduler),
        );
      }),
    );
  });
});

describe('what other kernels and programs leave behind', () => {
  const service: VirtualService = { id: web, scheduler: 'wrr', ...plain };

  test('unknown service flags are not shown', () => {
    const bytes = Buffer.from(written({ command: 'newService', service }, putNoStats));
    const flags = bytes.indexOf(Buffer.from('0c000700', 'hex')) + 4;
    bytes.writeUInt32LE(0xffffffc2, flags);
    expect(decodeObservedService(parse(bytes))).toMatchObject(service);
  });

  test('connection flags above the forwarding method are not looked at', () => {
    const destination = to('192.0.2.1', { method: 'droute' });
    const bytes = Buffer.from(
      written({ command: 'newDestination', service: web, destination }, (writer) => {
        for (const counter of [DEST.activeConnections, DEST.inactiveConnections, DEST.persistentConnections]) {
          writer.put(counter, 0);
        }
        writer.nest(DEST.stats, (w) => putStats(w, STATS, NO_STATS));
      }),
    );
    bytes.writeUInt32LE(0x12103, bytes.indexOf(Buffer.from('0800030003000000', 'hex')) + 4);
    expect(decodeObservedDestination(parse(bytes), 'ipv4').method).toBe('droute');
  });

  test('a netmask with holes counts by its leading ones', () => {
    const persistence = { timeout: 5, prefixLength: 24 };
    const bytes = Buffer.from(written({ command: 'newService', service: { ...service, persistence } }, putNoStats));
    bytes.set([255, 0, 255, 0], bytes.indexOf(Buffer.from('08000900ffffff00', 'hex')) + 4);
    expect(decodeObservedService(parse(bytes)).persistence).toEqual({ timeout: 5, prefixLength: 8 });
  });
});

const u32 = fc.bigInt({ min: 0n, max: 0xffff_ffffn });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
/** What both sizes can say. */
const stats: fc.Arbitrary<Stats> = fc.record({
  connections: u32,
  packetsIn: u32,
  packetsOut: u32,
  bytesIn: u64,
  bytesOut: u64,
  connectionsPerSecond: u32,
  packetsInPerSecond: u32,
  packetsOutPerSecond: u32,
  bytesInPerSecond: u32,
  bytesOutPerSecond: u32,
});

const NO_STATS: Stats = {
  connections: 0n,
  packetsIn: 0n,
  packetsOut: 0n,
  bytesIn: 0n,
  bytesOut: 0n,
  connectionsPerSecond: 0n,
  packetsInPerSecond: 0n,
  packetsOutPerSecond: 0n,
  bytesInPerSecond: 0n,
  bytesOutPerSecond: 0n,
};

function putNoStats(writer: Writer): void {
  writer.nest(SVC.stats64, (w) => putStats(w, STATS64, NO_STATS));
}

function putStats(writer: Writer, table: StatsTable, counters: Stats): void {
  for (const [key, counter] of Object.entries(counters)) {
    const attribute = Object.entries(table).find(([name]) => name === key)?.[1];
    if (attribute) writer.put(attribute, counter);
  }
}

/** The command's message as the kernel would give it back: with `more` in the innermost of what it is about. */
function written(command: Command, more: (writer: Writer) => void): Uint8Array {
  const writer = new Echo(command.command === 'newService' ? CMD.service : CMD.destination, more);
  const { number, body } = prepare(command);
  writer.message({ type: 28, flags: 2, sequence: 1, command: number, version: 1 }, body);
  return writer.datagram();
}

class Echo extends Writer {
  readonly #where: NestedAttribute;
  readonly #more: (writer: Writer) => void;

  constructor(where: NestedAttribute, more: (writer: Writer) => void) {
    super();
    this.#where = where;
    this.#more = more;
  }

  override nest(attribute: NestedAttribute, body: (writer: this) => void): void {
    super.nest(attribute, () => {
      body(this);
      if (attribute === this.#where) this.#more(this);
    });
  }
}

function parse(bytes: Uint8Array): Attributes {
  const [first] = messages(bytes);
  if (first === undefined) throw new Error('no message');
  return attributesOf(first);
}
