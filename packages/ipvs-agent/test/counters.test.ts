import { describe, expect, test } from '@jest/globals';
import {
  destinationKey,
  type ObservedDestination,
  type ObservedVirtualService,
  type Stats,
  virtualServiceKey,
} from '@clusterf/ipvs';
import * as fc from 'fast-check';
import { type CounterKernel, counterLines, readCounters } from '../src/counters.js';
import type { Desired } from '../src/plan.js';
import { readExposition } from './exposition.js';

const NOTHING: Stats = {
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

const WEB: ObservedVirtualService = {
  id: { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 },
  scheduler: 'wlc',
  schedulerFlags: 0,
  onePacket: false,
  stats: NOTHING,
};

const A: ObservedDestination = {
  family: 'ipv4',
  address: '172.17.0.2',
  port: 8080,
  method: 'masq',
  weight: 10,
  upperThreshold: 0,
  lowerThreshold: 0,
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  stats: NOTHING,
};

/** A table as a dump gives it. */
function holding(...table: (readonly [ObservedVirtualService, readonly ObservedDestination[]])[]): CounterKernel {
  const destinations = new Map(table.map(([{ id }, found]) => [virtualServiceKey(id), found]));
  return {
    services: async () => table.map(([service]) => service),
    destinations: async (id) => destinations.get(virtualServiceKey(id)) ?? [],
  };
}

/** What the tree calls them. */
function named(
  service: ObservedVirtualService,
  serviceName: string,
  backends: Record<string, readonly string[]>,
): Desired {
  const destinations = Object.entries(backends).map(([at, names]) => [at, { ...A, backends: names }] as const);
  return new Map([
    [virtualServiceKey(service.id), { service: { ...service, serviceName }, destinations: new Map(destinations) }],
  ]);
}

async function read(kernel: CounterKernel, names: Desired = new Map()) {
  return readExposition([...counterLines(await readCounters(kernel, names))].join(''));
}

describe('names', () => {
  test('are those of the tree: the service, and the backends that end at a destination', async () => {
    const b = { ...A, address: '172.17.0.3' };
    const { samples } = await read(
      holding([WEB, [A, b]]),
      named(WEB, 'web', { '172.17.0.2:8080': ['a'], '172.17.0.3:8080': ['b', 'c'] }),
    );
    const labels = (name: string) => samples.filter((sample) => sample.name === name).map((sample) => sample.labels);
    expect(labels('clusterf_ipvs_service_connections_total')).toEqual([
      { service: 'web', virtual_service: 'tcp 10.0.0.1:80' },
    ]);
    expect(labels('clusterf_ipvs_destination_connections_total')).toEqual([
      { service: 'web', virtual_service: 'tcp 10.0.0.1:80', backend: 'a', destination: '172.17.0.2:8080' },
      { service: 'web', virtual_service: 'tcp 10.0.0.1:80', backend: 'b,c', destination: '172.17.0.3:8080' },
    ]);
  });

  test('are empty for what the tree does not name, which is counted all the same', async () => {
    const counted = { ...A, stats: { ...NOTHING, connections: 5n } };
    const { value } = await read(holding([WEB, [counted]]), named(WEB, 'web', {}));
    expect(value('clusterf_ipvs_destination_connections_total', { service: 'web', backend: '' })).toBe(5);
    const foreign = await read(holding([WEB, [counted]]));
    expect(foreign.value('clusterf_ipvs_destination_connections_total', { service: '', backend: '' })).toBe(5);
  });

  test('fwmarks and IPv6 have theirs', async () => {
    const mark: ObservedVirtualService = { ...WEB, id: { family: 'ipv6', fwmark: 7 } };
    const six: ObservedVirtualService = {
      ...WEB,
      id: { family: 'ipv6', protocol: 'udp', address: '2001:db8::1', port: 53 },
    };
    const { value } = await read(
      holding([mark, []], [six, [{ ...A, family: 'ipv6', address: '2001:db8::2', port: 53 }]]),
    );
    expect(value('clusterf_ipvs_service_connections_total', { virtual_service: 'fwmark ipv6 7' })).toBe(0);
    expect(
      value('clusterf_ipvs_destination_weight', {
        virtual_service: 'udp [2001:db8::1]:53',
        destination: '[2001:db8::2]:53',
      }),
    ).toBe(10);
  });

  test('of any characters come through the text and back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (service, backend) => {
        const text = await read(holding([WEB, [A]]), named(WEB, service, { [destinationKey(A)]: [backend] }));
        expect(text.value('clusterf_ipvs_destination_weight', { service, backend })).toBe(10);
      }),
    );
  });

  test.each(['quo"te', 'back\\slash', 'trailing\\', 'new\nline', '\\n', '{},=#'])(
    '%j is one of them',
    async (service) => {
      const { value } = await read(holding([WEB, [A]]), named(WEB, service, {}));
      expect(value('clusterf_ipvs_service_connections_total', { service })).toBe(0);
    },
  );
});

test('each figure of the kernel has its metric', async () => {
  const stats: Stats = {
    connections: 1n,
    packetsIn: 2n,
    packetsOut: 3n,
    bytesIn: 4n,
    bytesOut: 5n,
    connectionsPerSecond: 6n,
    packetsInPerSecond: 7n,
    packetsOutPerSecond: 8n,
    bytesInPerSecond: 9n,
    bytesOutPerSecond: 10n,
  };
  const busy = { ...A, stats, weight: 11, activeConnections: 12, inactiveConnections: 13, persistentConnections: 14 };
  const { value, types } = await read(holding([{ ...WEB, stats }, [busy]]));
  const figures = [
    'connections_total',
    'incoming_packets_total',
    'outgoing_packets_total',
    'incoming_bytes_total',
    'outgoing_bytes_total',
    'connections_per_second',
    'incoming_packets_per_second',
    'outgoing_packets_per_second',
    'incoming_bytes_per_second',
    'outgoing_bytes_per_second',
  ];
  expect(figures.map((name) => value(`clusterf_ipvs_service_${name}`))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const more = [...figures, 'weight', 'active_connections', 'inactive_connections', 'persistent_connections'];
  expect(more.map((name) => value(`clusterf_ipvs_destination_${name}`))).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
  ]);
  for (const [name, type] of types) expect(type).toBe(name.endsWith('_total') ? 'counter' : 'gauge');
});

test('a counter of 64 bits is as exact as Prometheus keeps it', async () => {
  const stats = { ...NOTHING, bytesIn: 18_446_744_073_709_551_615n };
  const { value } = await read(holding([{ ...WEB, stats }, []]));
  expect(value('clusterf_ipvs_service_incoming_bytes_total')).toBe(2 ** 64);
});

test('what a dump says twice is one sample', async () => {
  const { samples } = await read(holding([WEB, [A, A]], [WEB, [A, A]]));
  expect(samples.filter(({ name }) => name === 'clusterf_ipvs_destination_weight')).toHaveLength(1);
});

test('an empty table is a text without samples', async () => {
  expect((await read(holding())).samples).toEqual([]);
});

test('lines are made only as they are asked for', async () => {
  const table = await readCounters(holding([WEB, [A]]), new Map());
  const asked: number[] = [];
  const watched = {
    ...table,
    destinations: table.destinations.map((row) => ({
      labels: row.labels,
      get values() {
        asked.push(1);
        return row.values;
      },
    })),
  };
  for (const line of counterLines(watched)) if (line.startsWith('clusterf_ipvs_destination_connections_total')) break;
  expect(asked).toHaveLength(1);
});
