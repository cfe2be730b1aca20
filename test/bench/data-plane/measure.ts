/** One measurement of one way. */
import { z } from 'zod';
import { processorTime } from '../processor-time.js';
import type { Testbed } from './testbed.js';
import { PORTS, wayOf, type WayName } from './topology.js';

/** Requests under way at any time. */
const CONNECTIONS = 32;

/** Requests of some bytes each: `kept` on connections that stay, `new` each on one of its own. */
export type RequestKind = 'kept' | 'new';
/** Of bulk data, as the client sees it. */
export type Direction = 'up' | 'down';

export interface Requests {
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the whole machine for each request, in microseconds. */
  readonly machine: number;
  /** Of which the proxy's process, where there is one. */
  readonly process?: number;
}

/** What load.c prints. */
const Load = z.object({
  requests: z.number().positive(),
  errors: z.literal(0),
  seconds: z.number(),
  busy: z.number(),
  p50: z.number(),
  p99: z.number(),
});

/** What iperf3 -J prints. */
const Bulk = z.object({ end: z.object({ sum_received: z.object({ bits_per_second: z.number().positive() }) }) });

/** @throws if any request failed: a rate of failures says nothing */
export async function measureRequests(
  testbed: Testbed,
  way: WayName,
  kind: RequestKind,
  seconds: number,
): Promise<Requests> {
  const pid = testbed.processes[way];
  const before = pid === undefined ? undefined : processorTime(pid);
  const words = [kind, CONNECTIONS, seconds, PORTS.requests].map(String);
  const output = await testbed.client.run(testbed.load, ...words, ...wayOf(way).targets);
  const used = pid === undefined || before === undefined ? undefined : processorTime(pid) - before;
  const load = decode(Load, output, `${way}, ${kind}`);
  return {
    perSecond: load.requests / load.seconds,
    p50: load.p50,
    p99: load.p99,
    machine: (load.busy / load.requests) * 1e6,
    ...(used === undefined ? {} : { process: (used / load.requests) * 1e3 }),
  };
}

/** @returns bits a second */
export async function measureBulk(
  testbed: Testbed,
  way: WayName,
  direction: Direction,
  seconds: number,
): Promise<number> {
  const [target = ''] = wayOf(way).targets;
  const reverse = direction === 'down' ? ['--reverse'] : [];
  const words = ['--client', target, '--port', String(PORTS.bulk), '--time', String(seconds), '--json', ...reverse];
  const output = await testbed.client.run('iperf3', ...words);
  return decode(Bulk, output, `${way}, ${direction}`).end.sum_received.bits_per_second;
}

function decode<T>(schema: z.ZodType<T>, output: string, what: string): T {
  const parsed = schema.safeParse(JSON.parse(output));
  if (!parsed.success) throw new Error(`${what}: ${z.prettifyError(parsed.error)}\n${output.slice(-2000)}`);
  return parsed.data;
}
