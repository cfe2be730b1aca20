import { destinationKey } from '@clusterf/ipvs';
import type { Diff, Op } from './diff.js';
import type { Table, TableEntry } from './table.js';

/** Fewer destinations than this are nothing to be afraid for: one of two is half of all. */
const FEWEST = 4;

export interface BrakeOptions {
  /** 0 to 1: the share of all destinations that may go within `hold`, and no more; 1 = any. */
  readonly share: number;
  /**
   * Milliseconds for which more has to be asked for, without a break, until it is done, and for which what there was
   * is remembered: `--brake-hold`.
   */
  readonly hold: number;
}

/** What the brake looks at to tell how much is at stake. */
export interface Stakes {
  readonly actual: Table;
  readonly owned: (key: string) => boolean;
}

/**
 * Holds back removals that would leave too few of the destinations there were a moment ago: a prefix deleted by
 * mistake, or the leases of all hosts lapsing one after another. Once it holds, every such removal is held until all of it
 * is back, or has been asked for for long enough. What is new or changed goes on.
 *
 * Only destinations that take connections count: what has weight 0 is no loss, since a container that is stopped, or a
 * destination that drains, had its weight taken away before, on purpose.
 */
export class Brake {
  readonly #options: BrakeOptions;
  /** Since when too much is asked for. */
  #since: number | undefined;
  /** It has been asked for for long enough, and is being done. */
  #obeying = false;
  /** How many destinations there were when some were asked away, oldest first. */
  #counts: { readonly at: number; readonly count: number }[] = [];

  constructor(options: BrakeOptions) {
    this.#options = options;
  }

  /** When the removals it holds are let go, if they are still asked for; undefined while it holds none. */
  get until(): number | undefined {
    return this.#since === undefined || this.#obeying ? undefined : this.#since + this.#options.hold;
  }

  /** @param now milliseconds of a clock that never runs backwards */
  check({ make, remove }: Diff, stakes: Stakes, now: number): Diff & { readonly held: readonly Op[] } {
    const losses = remove.filter((op) => lossBy(op, stakes.actual) > 0);
    const going = losses.reduce((sum, op) => sum + lossBy(op, stakes.actual), 0);
    if (going === 0) {
      if (this.#obeying) this.#counts = []; // What is left is what there is, from here on.
      this.#since = undefined;
      this.#obeying = false;
      return { make, remove, held: [] };
    }
    if (this.#since === undefined && !this.#isTooMuch(going, stakes, now)) return { make, remove, held: [] };
    this.#since ??= now;
    // What it obeys takes more than a pass: virtual services wait a moment more.
    this.#obeying ||= now >= this.#since + this.#options.hold;
    if (this.#obeying) return { make, remove, held: [] };
    const held = new Set(losses);
    return { make, remove: remove.filter((op) => !held.has(op)), held: losses };
  }

  #isTooMuch(going: number, { actual, owned }: Stakes, now: number): boolean {
    let count = 0;
    for (const [key, entry] of actual) if (owned(key)) count += takingConnections(entry);
    this.#counts = [...this.#counts.filter(({ at }) => now - at < this.#options.hold), { at: now, count }];
    const most = Math.max(...this.#counts.map((before) => before.count));
    return most >= FEWEST && count - going < most * (1 - this.#options.share);
  }
}

/** How many destinations that take connections an operation takes away. */
function lossBy(op: Op, actual: Table): number {
  const entry = actual.get(op.key);
  if (entry === undefined) return 0;
  if (op.command === 'delService') return takingConnections(entry);
  if (op.command !== 'delDestination') return 0;
  return (entry.destinations.get(destinationKey(op.destination))?.weight ?? 0) > 0 ? 1 : 0;
}

function takingConnections({ destinations }: TableEntry): number {
  let count = 0;
  for (const { weight } of destinations.values()) if (weight > 0) count += 1;
  return count;
}
