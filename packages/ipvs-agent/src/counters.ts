/**
 * What the kernel counts, under the names that people know: Prometheus text, made line by line, since a table of
 * 50,000 destinations comes to more than a hundred megabytes of it.
 */
import { setImmediate as turn } from 'node:timers/promises';
import {
  destinationKey,
  type ObservedDestination,
  type ObservedVirtualService,
  type Stats,
  virtualServiceKey,
} from '@clusterf/ipvs';
import type { Desired } from './plan.js';

/** Between two such portions everything else in the process has its turn: one service may have 10,000 destinations. */
const ROWS_A_TURN = 500;

/** One virtual service or destination: far smaller than what the kernel said of it. */
interface Row {
  /** As they stand between the braces. */
  readonly labels: string;
  /** In the order of the metrics. */
  readonly values: readonly number[];
}

/** All counters, as they were read. */
export interface CounterTable {
  readonly services: readonly Row[];
  readonly destinations: readonly Row[];
}

interface Metric<T> {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly value: (of: T) => bigint | number;
}

const STATS: readonly Metric<Stats>[] = [
  counter('connections_total', 'Connections scheduled.', ({ connections }) => connections),
  counter('incoming_packets_total', 'Packets from clients.', ({ packetsIn }) => packetsIn),
  counter('outgoing_packets_total', 'Packets to clients, as far as they pass here.', ({ packetsOut }) => packetsOut),
  counter('incoming_bytes_total', 'Bytes from clients.', ({ bytesIn }) => bytesIn),
  counter('outgoing_bytes_total', 'Bytes to clients, as far as they pass here.', ({ bytesOut }) => bytesOut),
  rate('connections_per_second', 'connections scheduled', ({ connectionsPerSecond }) => connectionsPerSecond),
  rate('incoming_packets_per_second', 'packets from clients', ({ packetsInPerSecond }) => packetsInPerSecond),
  rate('outgoing_packets_per_second', 'packets to clients', ({ packetsOutPerSecond }) => packetsOutPerSecond),
  rate('incoming_bytes_per_second', 'bytes from clients', ({ bytesInPerSecond }) => bytesInPerSecond),
  rate('outgoing_bytes_per_second', 'bytes to clients', ({ bytesOutPerSecond }) => bytesOutPerSecond),
];

const SERVICE_METRICS: readonly Metric<ObservedVirtualService>[] = STATS.map(of('clusterf_ipvs_service_'));

const DESTINATION_METRICS: readonly Metric<ObservedDestination>[] = [
  ...STATS.map(of('clusterf_ipvs_destination_')),
  ...[
    gauge<ObservedDestination>('weight', 'Weight; 0 takes no new connections.', ({ weight }) => weight),
    gauge<ObservedDestination>('active_connections', 'Connections established.', (d) => d.activeConnections),
    gauge<ObservedDestination>('inactive_connections', 'Connections in other states.', (d) => d.inactiveConnections),
    gauge<ObservedDestination>('persistent_connections', 'Persistence entries.', (d) => d.persistentConnections),
  ].map((metric) => ({ ...metric, name: `clusterf_ipvs_destination_${metric.name}` })),
];

/** As much of the kernel as is read for the counters. */
export interface CounterKernel {
  services(): Promise<readonly ObservedVirtualService[]>;
  destinations(id: ObservedVirtualService['id']): Promise<readonly ObservedDestination[]>;
}

/**
 * Reads all counters, a virtual service at a time, so that neither memory nor the event loop has it all at once.
 *
 * @param names what the tree calls things; what it does not name has empty names
 * @throws as the kernel's client does
 */
export async function readCounters(kernel: CounterKernel, names: Desired): Promise<CounterTable> {
  const services: Row[] = [];
  const destinations: Row[] = [];
  // The kernel says one twice where the table grows while it is read; Prometheus takes no sample twice.
  const table = new Map((await kernel.services()).map((service) => [virtualServiceKey(service.id), service]));
  for (const [key, service] of table) {
    const planned = names.get(key);
    const labels = `service="${escape(planned?.service.serviceName ?? '')}",virtual_service="${escape(key)}"`;
    services.push({ labels, values: valuesOf(SERVICE_METRICS, service) });
    const found = await kernel.destinations(service.id);
    for (const [at, destination] of new Map(found.map((one) => [destinationKey(one), one]))) {
      const backends = planned?.destinations.get(at)?.backends.join(',') ?? '';
      destinations.push({
        labels: `${labels},backend="${escape(backends)}",destination="${at}"`,
        values: valuesOf(DESTINATION_METRICS, destination),
      });
      if (destinations.length % ROWS_A_TURN === 0) await turn();
    }
  }
  return { services, destinations };
}

function valuesOf<T>(metrics: readonly Metric<T>[], observed: T): readonly number[] {
  return metrics.map(({ value }) => Number(value(observed)));
}

/** Prometheus text, a line at a time: all samples of a metric together, as the format asks. */
export function* counterLines({ services, destinations }: CounterTable): Iterable<string> {
  yield* lines(SERVICE_METRICS, services);
  yield* lines(DESTINATION_METRICS, destinations);
}

function* lines<T>(metrics: readonly Metric<T>[], rows: readonly Row[]): Iterable<string> {
  for (const [index, { name, type, help }] of metrics.entries()) {
    yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const { labels, values } of rows) yield `${name}{${labels}} ${values[index] ?? NaN}\n`;
  }
}

/** In label values (Prometheus, text format 0.0.4). */
function escape(text: string): string {
  return /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;
}

function counter<T>(name: string, help: string, value: (of: T) => bigint | number): Metric<T> {
  return { name, type: 'counter', help, value };
}

function gauge<T>(name: string, help: string, value: (of: T) => bigint | number): Metric<T> {
  return { name, type: 'gauge', help, value };
}

function rate(name: string, what: string, value: (of: Stats) => bigint): Metric<Stats> {
  return gauge(name, `The kernel's estimate of ${what} per second, made every 2 s.`, value);
}

/** The metric of what has these counters. */
function of(prefix: string) {
  return ({ value, ...metric }: Metric<Stats>): Metric<{ readonly stats: Stats }> => ({
    ...metric,
    name: `${prefix}${metric.name}`,
    value: ({ stats }) => value(stats),
  });
}
