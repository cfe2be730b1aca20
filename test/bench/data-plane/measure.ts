/** One measurement of one way from a client to servers. */
import { z } from 'zod';
import { PORTS } from './topology.js';

/** Requests of some bytes each: `kept` on connections that stay, `new` each on one of its own. */
export type RequestKind = 'kept' | 'new';
/** Of bulk data, as the client sees it. */
export type Direction = 'up' | 'down';

export interface Requests {
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the whole kernel that the client is in, in microseconds a request. */
  readonly machine: number;
  /** Of what else was looked at, likewise. */
  readonly process?: number;
}

/** What a measurement is made with. */
export interface Client {
  /** Runs a command where the client is. @returns its standard output */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string>;
  /** The program of load.c. */
  readonly load: string;
  /** Requests under way at any time. */
  readonly connections: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
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

/**
 * @param used processor time so far of what is to be looked at beside, in milliseconds
 * @throws if any request failed: a rate of failures says nothing
 */
export async function measureRequests(
  { run, load, connections, seconds }: Client,
  targets: readonly string[],
  kind: RequestKind,
  used?: () => number,
): Promise<Requests> {
  const before = used?.() ?? 0;
  const words = [kind, connections, seconds, PORTS.requests].map(String);
  const output = await run(load, ...words, ...targets);
  const time = (used?.() ?? 0) - before;
  const { requests, busy, p50, p99, ...measured } = decode(Load, output, `${targets.join(' ')}, ${kind}`);
  return {
    perSecond: requests / measured.seconds,
    p50,
    p99,
    machine: (busy / requests) * 1e6,
    ...(used === undefined ? {} : { process: (time / requests) * 1e3 }),
  };
}

/** @returns bits a second */
export async function measureBulk(
  { run, seconds }: Client,
  [target = '']: readonly string[],
  direction: Direction,
): Promise<number> {
  const reverse = direction === 'down' ? ['--reverse'] : [];
  const words = ['--client', target, '--port', String(PORTS.bulk), '--time', String(seconds), '--json', ...reverse];
  const output = await run('iperf3', ...words);
  return decode(Bulk, output, `${target}, ${direction}`).end.sum_received.bits_per_second;
}

function decode<T>(schema: z.ZodType<T>, output: string, what: string): T {
  const parsed = schema.safeParse(JSON.parse(output));
  if (!parsed.success) throw new Error(`${what}: ${z.prettifyError(parsed.error)}\n${output.slice(-2000)}`);
  return parsed.data;
}
