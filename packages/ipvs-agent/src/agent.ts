/**
 * The balancer's agent, top to bottom:
 *
 *     sources → Config → plan → Desired ┐
 *               kernel dump ──→ Actual  ┴→ diff → hold → operations → apply → acknowledged Actual
 *
 * Source events only change the configuration and trigger a pass; a pass does the rest. It needs no dump: what the
 * kernel has acknowledged is known. The table is dumped at the start, at every resync, and after a pass that failed.
 *
 * INVARIANTS
 * - Nothing is written to the kernel before every source has been read once.
 * - A source that goes away changes nothing: the configuration stays what was last read.
 * - Passes do not overlap, and a pass that has begun is finished, also when the agent is told to stop.
 * - A virtual service is remembered as ours before it is made, and until it is gone.
 * - Only what is ours, or what the tree names, is changed or deleted.
 */
import {
  type Clock,
  FailureError,
  isBug,
  type Logger,
  type PassReason,
  ProblemLog,
  ReconcileLoop,
} from '@clusterf/daemon';
import { ConfigTree } from '@clusterf/model';
import type { Source } from '@clusterf/store';
import { apply, type Failure, isStale, type Kernel } from './apply.js';
import { type Diff, diff, virtualServiceOf } from './diff.js';
import { holdRemovals } from './hold.js';
import type { Ownership } from './ownership.js';
import { type Plan, type PlanOptions, plan } from './plan.js';
import { describeOp, OP_TITLES, printOp, printTable } from './print.js';
import type { MutableTable, Table } from './table.js';

export interface AgentOptions extends PlanOptions {
  /** Routes only from sources whose URL begins so: `--filter-routes`. */
  readonly filterRoutes?: string | undefined;
  /** Milliseconds between full dumps: `--resync`; 0 = none. */
  readonly resync: number;
  /** Print the operations and write nothing: `--noop`. */
  readonly noop: boolean;
  /** Print the table after every pass that changed it: `--print`. */
  readonly print: boolean;
  /** Delete every virtual service before the first pass: `--flush`. */
  readonly flush: boolean;
  /** One pass, then return: `--once`. */
  readonly once: boolean;
}

export interface AgentParts {
  readonly sources: readonly Source[];
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly log: Logger;
  /** Takes what `--print` and `--noop` say. */
  readonly print: (text: string) => void;
  readonly clock: Clock;
  /** Stops the agent: the pass under way is finished, the kernel's table is left as it is. */
  readonly signal: AbortSignal;
}

/** Against somebody who changes the same virtual service as fast as we read it. */
const MAX_ROUNDS = 3;

/**
 * Runs until the signal aborts, or with `once` until one pass is done.
 *
 * @throws FailureError with `once`, if a source cannot be read or an operation failed
 */
export async function runAgent(options: AgentOptions, parts: AgentParts): Promise<void> {
  const { sources, kernel, ownership, log, print, clock, signal } = parts;
  const tree = new ConfigTree(
    sources.map(({ url }) => url),
    { filterRoutes: options.filterRoutes },
  );
  const problems = new ProblemLog(log);
  let planned: Plan | undefined;
  let changed: Set<string> | 'all' = 'all';
  let actual: MutableTable | undefined;
  let flushed = !options.flush;
  let printed: string | undefined;
  let lastHeld = '';

  async function pass(reason: PassReason): Promise<void> {
    const desired = replan().desired;
    if (actual === undefined || reason !== 'trigger') actual = await kernel.dump();
    if (!flushed && !options.noop) {
      log.warn('flushing the kernel table', { virtualServices: actual.size });
      await kernel.flush();
      actual = new Map();
    }
    flushed = true;

    if (options.noop) {
      const { make, remove } = todo(actual, desired);
      show([...make, ...remove].map((op) => `${printOp(op)}\n`).join('') || 'nothing to do\n');
      return;
    }
    await remember([...desired.keys(), ...ownership.keys]);
    await converge(actual, desired);
    await remember([...desired.keys(), ...[...ownership.keys].filter((key) => actual?.has(key))]);
    if (options.print) show(printTable(actual, desired));
  }

  /** Diffs and applies until the kernel holds what is desired, reading again what turns out not to be as known. */
  async function converge(known: MutableTable, desired: Plan['desired']): Promise<void> {
    for (let round = 1; ; round += 1) {
      let failures: readonly Failure[];
      try {
        failures = await apply(kernel, todo(known, desired), known, (op) =>
          log.info(OP_TITLES[op.command], describeOp(op)),
        );
        for (const key of new Set(failures.map(({ op }) => op.key))) await reread(known, key, failures);
      } catch (error) {
        actual = undefined; // Nobody knows how far it came: the next pass begins with a dump.
        throw error;
      }
      if (failures.length === 0) return;
      const again = round < MAX_ROUNDS && failures.every(isStale);
      for (const { op, error } of failures)
        log[again ? 'info' : 'error'](
          `${OP_TITLES[op.command]}: refused by the kernel${again ? ': reading it again' : ''}`,
          { ...describeOp(op), error },
        );
      if (!again) throw new FailureError(`${failures.length} operations were refused by the kernel`);
    }
  }

  function todo(known: Table, desired: Plan['desired']): Diff {
    const { held, ...rest } = holdRemovals(
      diff(known, desired, (key) => ownership.has(key)),
      tree.rejected,
    );
    const text = held.map(printOp).join('\n');
    if (held.length > 0 && text !== lastHeld)
      log.warn(`${held.length} removals held back until every entry can be read`, { held: held.map(printOp) });
    lastHeld = text;
    return rest;
  }

  async function reread(known: MutableTable, key: string, failures: readonly Failure[]): Promise<void> {
    const op = failures.find((failure) => failure.op.key === key)?.op;
    if (op === undefined) return;
    const entry = await kernel.dumpService(virtualServiceOf(op));
    if (entry === undefined) known.delete(key);
    else known.set(key, entry);
  }

  function replan(): Plan {
    if (planned === undefined || changed === 'all') planned = plan(tree.config, options);
    else if (changed.size > 0) planned = plan(tree.config, options, { previous: planned, changed });
    changed = new Set();
    problems.update([...tree.problems, ...planned.problems]);
    return planned;
  }

  async function remember(keys: readonly string[]): Promise<void> {
    try {
      await ownership.replace(new Set(keys));
    } catch (error) {
      log.error('state not written: after a restart, virtual services of now may not be recognised as ours', { error });
    }
  }

  /** The same text is not printed twice in a row: a resync that found nothing is not news. */
  function show(text: string): void {
    if (text !== printed) print(text);
    printed = text;
  }

  async function follow(source: Source, index: number, until: AbortSignal, onRead: () => void): Promise<void> {
    for await (const event of source.events(until)) {
      if (event.type === 'unavailable') {
        if (options.once)
          throw new FailureError(`source ${source.url} is unavailable: ${event.error.message}`, { cause: event.error });
        log.warn('source unavailable: what was last read stays in force', { source: source.url, error: event.error });
        continue;
      }
      if (event.type === 'snapshot') log.info('source read', { source: source.url, entries: event.entries.size });
      const { services, routes } = tree.apply(index, event);
      if (routes) changed = 'all';
      else if (changed !== 'all') for (const name of services) changed.add(name);
      problems.update([...tree.problems, ...(planned?.problems ?? [])]);
      if (tree.complete) onRead();
    }
  }

  /** Reads every source; `onRead` is called for every event once all have been read. Ends with `until`. */
  async function followAll(until: AbortSignal, onRead: () => void): Promise<void> {
    await Promise.all(sources.map((source, index) => follow(source, index, until, onRead)));
  }

  if (options.once) {
    await readOnce(signal, followAll);
    if (!signal.aborted) await pass('trigger');
    return;
  }

  const loop = new ReconcileLoop({
    pass,
    resync: options.resync,
    clock,
    onFailure: (error, retryIn) => {
      // The process ends, and whoever restarts it begins with a fresh look; the kernel forwards on meanwhile.
      if (isBug(error)) throw error;
      log.error('pass failed: the kernel keeps forwarding, retrying', { error, retryInMs: Math.round(retryIn) });
    },
  });
  await Promise.all([followAll(signal, () => loop.trigger()), loop.run(signal)]);
}

/** Follows until everything has been read once, then stops following. */
async function readOnce(
  signal: AbortSignal,
  followAll: (until: AbortSignal, onRead: () => void) => Promise<void>,
): Promise<void> {
  const read = new AbortController();
  await followAll(AbortSignal.any([signal, read.signal]), () => read.abort());
}
