/** What was measured, of every way, and what follows from it. */
import { median } from '../statistics.js';
import type { Direction, RequestKind, Requests } from './measure.js';

export interface WayResults {
  readonly title: string;
  /** A measurement for each run, in the runs' order. */
  readonly requests: Readonly<Record<RequestKind, readonly Requests[]>>;
  /** Bits a second, likewise. */
  readonly bulk: Readonly<Record<Direction, readonly number[]>>;
}

/** The files of docs/results hold them as objects. */
export type Results<Name extends string = string> = ReadonlyMap<Name, WayResults>;

/** @throws {RangeError} if that way was not measured */
export function resultsOf(results: Results, way: string): WayResults {
  const found = results.get(way);
  if (found === undefined) throw new RangeError(`${way} was not measured`);
  return found;
}

/** A median and how far the runs were apart. */
export interface Typical {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function typical(values: readonly number[]): Typical {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * What a way costs the machine's processors more than the direct one, in microseconds a request: run by run, so that
 * what else the machine did meanwhile falls on both. The kernel books what it does for packets to whatever process it
 * interrupts, so nothing less than the whole machine's time tells what a balancer in the kernel takes.
 */
export function costOfBalancing(results: Results, way: string, kind: RequestKind): Typical {
  const direct = resultsOf(results, 'direct').requests[kind];
  return typical(
    resultsOf(results, way).requests[kind].map(({ machine }, run) => machine - (direct[run]?.machine ?? Number.NaN)),
  );
}
