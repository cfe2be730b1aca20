import type { Op } from './diff.js';
import { printHeld, printOp } from './print.js';
import type { HeldStatus } from './status.js';

/** What a pass would do, told and not done: `--noop`. */
export interface Rehearsal {
  /** Virtual services that `--flush` deletes before anything else. */
  readonly flushed: readonly string[];
  /** In the order in which they would be done. */
  readonly ops: readonly Op[];
  /** Operations that are not done yet, by the reason why. */
  readonly held: readonly HeldStatus[];
  /** What would be done to this machine beside the table, a line each: addresses, sync daemons, kernel settings. */
  readonly around: readonly string[];
  /** Why the agent could not remember what is its own; undefined if nothing speaks against it. */
  readonly obstacle: string | undefined;
}

/** A line for each thing. */
export function rehearsalLines({ flushed, ops, held, around, obstacle }: Rehearsal): readonly string[] {
  return [
    ...flushed.map((key) => `flush: ${key}`),
    ...ops.map(printOp),
    ...held.flatMap(printHeld),
    ...around,
    ...(obstacle === undefined ? [] : [`cannot write state: ${obstacle}`]),
  ];
}

/** For a person to read. */
export function rehearsalText(rehearsal: Rehearsal): string {
  const lines = rehearsalLines(rehearsal);
  return lines.length > 0 ? `${lines.join('\n')}\n` : 'nothing to do\n';
}
