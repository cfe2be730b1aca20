/** What was measured, and what follows from it. Times are in milliseconds. */
import { quantile } from '../statistics.js';

/** One server more. */
export interface Growth {
  /** From the command until the first byte of the new server came. */
  readonly command: number;
  /** From the moment it listened, where that came after the command. */
  readonly listening?: number;
  /** Connections that nobody answered, from before the command until then. */
  readonly failures: number;
}

/** One server less. */
export interface Decline {
  /** From the command until the last byte of that server came. */
  readonly command: number;
  /** Connections that nobody answered, from before the command until the server was gone. */
  readonly failures: number;
}

export interface ContenderResults {
  readonly title: string;
  /** In the runs' order. */
  readonly growth: readonly Growth[];
  readonly decline: readonly Decline[];
}

/** docs/results/control-plane.json is this. */
export type Results = Readonly<Record<string, ContenderResults>>;

export interface Spread {
  readonly p50: number;
  readonly worst: number;
}

export function spread(values: readonly number[]): Spread {
  return { p50: quantile(values, 0.5), worst: Math.max(...values) };
}
