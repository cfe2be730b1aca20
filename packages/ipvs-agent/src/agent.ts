/**
 * The balancer's agent, top to bottom:
 *
 *     sources → tree → planner → Desired ┐
 *               kernel dump ───→ Actual  ┴→ diff → hold → brake → drain → operations → apply → acknowledged Actual
 *
 * Source events only change the tree and trigger a pass; a pass does the rest, and looks only at the virtual services
 * that something has changed for. It needs no dump: what the kernel has acknowledged is known. The table is dumped at
 * the start and after a pass that failed; at every resync it is walked beside the passes, to find what others did.
 *
 * INVARIANTS
 * - Nothing is written to the kernel before every source has been read once.
 * - A source that goes away changes nothing: the configuration stays what was last read.
 * - Passes do not overlap, and a pass that has begun is finished, also when the agent is told to stop.
 * - A virtual service is remembered as ours before it is made, and until it is gone.
 * - Only what is ours, or what the tree names, is changed or deleted.
 * - `#dirty` has every virtual service whose desired or actual state may have changed since it was last brought in
 *   line, and every one that something is still to be done for: held back, draining, refused.
 */
import {
  type Clock,
  delay,
  FailureError,
  isBug,
  type Logger,
  type PassReason,
  ReconcileLoop,
  toError,
} from '@clusterf/daemon';
import type { Source } from '@clusterf/store';
import { apply, type Failure, isStale, type Kernel } from './apply.js';
import { diff, virtualServiceOf } from './diff.js';
import { driftOf, type Found, walkTable } from './drift.js';
import { type Changes, Follower } from './follow.js';
import type { Ownership } from './ownership.js';
import type { PlanOptions } from './plan.js';
import { Planner } from './planner.js';
import { printOp, printTable } from './print.js';
import { type Observer, Report } from './report.js';
import type { Circumstances, Restraint } from './restraint.js';
import { Retries } from './retries.js';
import type { AgentStatus } from './status.js';
import { type MutableTable, recognise, type Table } from './table.js';

export interface AgentOptions extends PlanOptions {
  /** Routes only from sources whose URL begins so: `--filter-routes`. */
  readonly filterRoutes?: string | undefined;
  /** Milliseconds between walks of the kernel's table: `--resync`; 0 = none. */
  readonly resync: number;
  /** Print the operations and write nothing: `--noop`. */
  readonly noop: boolean;
  /** Print the table after every pass that changed it: `--print`. */
  readonly print: boolean;
  /** Delete every virtual service before the first pass: `--flush`. */
  readonly flush: boolean;
  /** What is in the kernel at the start is ours, whoever made it: `--adopt`. */
  readonly adopt: boolean;
  /** Return when the kernel is as the tree says: `--once`. */
  readonly once: boolean;
}

export interface AgentParts {
  readonly sources: readonly Source[];
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly restraint: Restraint;
  readonly observer: Observer;
  readonly log: Logger;
  /** Takes what `--print` and `--noop` say. */
  readonly print: (text: string) => void;
  readonly clock: Clock;
  /** Milliseconds since 1970, for what is written down for the next run. */
  readonly wall: () => number;
  /** Stops the agent: the pass under way is finished, the kernel's table is left as it is. */
  readonly signal: AbortSignal;
}

/** Against somebody who changes the same virtual service as fast as we read it. */
const MAX_ROUNDS = 3;

export class IpvsAgent {
  readonly #options: AgentOptions;
  readonly #parts: AgentParts;
  readonly #follower: Follower;
  readonly #planner: Planner;
  readonly #retries = new Retries();
  readonly #report: Report;
  readonly #loop: ReconcileLoop;
  /** What the kernel holds as far as is known; absent = to be dumped. */
  #actual: MutableTable | undefined;
  readonly #dirty = new Set<string>();
  /** Virtual services that passes have changed since the walk of the table began. */
  readonly #touched = new Set<string>();
  #walking = false;
  /** Whether the tree has published anything yet. */
  #published = false;
  /** Whether the first pass is done. */
  #ready = false;
  #cancelWake: () => void = () => {};

  constructor(options: AgentOptions, parts: AgentParts) {
    const { sources, log, clock, observer } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#follower = new Follower(sources, options, log, clock);
    this.#planner = new Planner(options);
    this.#report = new Report(log, observer);
    this.#loop = new ReconcileLoop({
      pass: async (reason) => await this.#pass(reason),
      resync: options.resync,
      clock,
      onFailure: (error, retryIn) => this.#failed(error, retryIn),
    });
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const { signal } = this.#parts;
    await Promise.all([
      this.#follower.run(signal, () => {
        this.#reportProblems();
        if (this.#follower.tree.complete) this.#loop.trigger();
      }),
      this.#loop.run(signal).finally(() => this.#cancelWake()),
    ]);
  }

  /**
   * Reads every source once and brings the kernel in line, which takes as long as something drains or is braked.
   *
   * @throws FailureError if a source cannot be read or an operation is refused
   */
  async runOnce(): Promise<void> {
    const { clock, signal } = this.#parts;
    const read = new AbortController();
    await this.#follower.run(AbortSignal.any([signal, read.signal]), () => {
      if (this.#follower.tree.complete) read.abort();
    });
    while (!signal.aborted) {
      await this.#pass('trigger');
      const refused = this.#retries.all.flatMap(({ failures }) => failures.map(({ error }) => error.message));
      if (refused.length > 0) throw new FailureError(`the kernel refused ${refused.join('; ')}`);
      const next = this.#next;
      if (next === undefined || this.#options.noop) return;
      await delay(clock, next - clock.now(), signal);
    }
  }

  /** Reads the sources anew and has a look at the whole table. */
  reread(): void {
    this.#follower.reread();
    if (this.#follower.tree.complete) this.#loop.resync();
  }

  async #pass(reason: PassReason): Promise<void> {
    const { clock, log } = this.#parts;
    const started = clock.now();
    let failed = true;
    try {
      const changes = this.#follower.takeChanges();
      this.#replan(changes);
      const actual = await this.#look();
      if (this.#options.noop) {
        this.#rehearse(actual);
      } else {
        await this.#begin(actual);
        if (reason === 'resync') void this.#walk(actual);
        await this.#converge(actual);
        this.#print(actual);
        this.#ready = true;
        if (changes.since !== undefined) this.#parts.observer.eventToKernel((clock.now() - changes.since) / 1000);
      }
      failed = false;
      if (reason === 'retry') log.info('the kernel answers again');
    } finally {
      this.#report.pass(reason, (clock.now() - started) / 1000, failed);
    }
  }

  #replan(changes: Changes): void {
    const { desired } = this.#planner;
    for (const key of this.#planner.update(this.#follower.tree.config, changes)) {
      this.#dirty.add(key);
      this.#retries.hasten(key);
    }
    this.#published ||= desired.size > 0;
    this.#reportProblems();
  }

  /** What the kernel holds: known, or read. */
  async #look(): Promise<MutableTable> {
    if (this.#actual !== undefined) return this.#actual;
    const { desired } = this.#planner;
    const actual = await this.#parts.kernel.dump();
    for (const [key, entry] of actual) actual.set(key, recognise(entry, desired.get(key)));
    for (const key of [...desired.keys(), ...actual.keys()]) this.#dirty.add(key);
    this.#actual = actual;
    return actual;
  }

  /** What comes before the first pass, once the tree and the kernel are known. */
  async #begin(actual: MutableTable): Promise<void> {
    if (this.#ready) return;
    const { kernel, ownership, log } = this.#parts;
    if (this.#options.flush) {
      log.warn('flushing the kernel table', { virtualServices: [...actual.keys()] });
      await kernel.flush();
      actual.clear();
    }
    if (this.#options.adopt) for (const key of actual.keys()) ownership.add(key);
    ownership.retain(actual, this.#planner.desired);
    this.#reportForeign(actual);
  }

  /** Diffs and applies until the kernel holds what is desired, reading again what turns out not to be as known. */
  async #converge(actual: MutableTable): Promise<void> {
    const { clock, kernel, log, ownership, restraint } = this.#parts;
    const { desired } = this.#planner;
    const now = clock.now();
    const keys = [...this.#dirty].filter((key) => !this.#retries.waits(key, now));
    for (const key of keys) if (desired.has(key)) ownership.add(key);
    await this.#save('ownership');

    const circumstances = this.#circumstances(actual, keys);
    let failures: readonly Failure[] = [];
    try {
      for (let round = 1; round <= MAX_ROUNDS; round += 1) {
        const all = diff(actual, desired, circumstances.owned, keys);
        const todo = restraint.filter(all, circumstances);
        for (const { key } of [...todo.make, ...todo.remove]) this.#touched.add(key);
        failures = await apply(kernel, todo, actual, {
          acknowledged: (op) => {
            restraint.acknowledge(op);
            this.#report.acknowledged(op);
          },
          refused: (failure) => this.#report.refused(failure),
          made: async () => {},
        });
        await this.#reread(actual, failures);
        const stale = failures.filter(isStale);
        if (stale.length > 0)
          log.info('the kernel table is not as known: read again', {
            refused: stale.map(({ error }) => error.message),
          });
        const drained = await restraint.observe(kernel);
        if (stale.length === 0 && !drained) break;
        if (round === MAX_ROUNDS && drained) this.#loop.trigger();
      }
    } catch (error) {
      this.#actual = undefined; // Nobody knows how far it came: the next pass begins with a dump.
      throw error;
    }
    this.#retries.update(keys, failures, clock.now());
    for (const key of keys) this.#dirty.delete(key);
    for (const key of [...restraint.keys, ...this.#retries.keys]) this.#dirty.add(key);
    for (const key of keys) if (!desired.has(key) && !actual.has(key)) ownership.delete(key);
    await this.#save('ownership');
    await this.#save('drains');
    this.#reportProblems();
    this.#wakeLater();
  }

  #circumstances(actual: Table, keys: Iterable<string>): Circumstances {
    const { ownership } = this.#parts;
    const { rejected } = this.#follower.tree;
    const owned = (key: string) => this.#options.adopt || ownership.has(key);
    return { actual, keys, owned, rejected, published: this.#published };
  }

  async #reread(actual: MutableTable, failures: readonly Failure[]): Promise<void> {
    const { desired } = this.#planner;
    for (const [key, id] of new Map(failures.map(({ op }) => [op.key, virtualServiceOf(op)]))) {
      const entry = await this.#parts.kernel.dumpService(id);
      if (entry === undefined) actual.delete(key);
      else actual.set(key, recognise(entry, desired.get(key)));
    }
  }

  /** Looks, beside the passes, for what others have changed; a pass then mends it. */
  async #walk(actual: MutableTable): Promise<void> {
    if (this.#walking) return;
    this.#walking = true;
    const { kernel, log, signal } = this.#parts;
    try {
      for await (const found of walkTable(kernel, actual, this.#touched, signal)) {
        if (this.#actual !== actual) return; // It was dumped anew.
        this.#compare(actual, found);
      }
      this.#reportForeign(actual);
    } catch (error) {
      if (isBug(error)) throw error;
      log.warn('the kernel table could not be looked through for what others changed', { error });
    } finally {
      this.#walking = false;
    }
  }

  #compare(actual: MutableTable, { key, entry }: Found): void {
    const known = actual.get(key);
    const ours = this.#parts.ownership.has(key);
    const drifts = ours && known !== undefined ? driftOf(key, known, entry) : [];
    for (const drift of drifts) this.#report.drifted(drift);
    if (ours && known !== undefined && drifts.length === 0) return;
    if (entry === undefined) actual.delete(key);
    else actual.set(key, recognise(entry, known));
    if (!ours && !this.#planner.desired.has(key)) return;
    this.#dirty.add(key);
    this.#retries.hasten(key);
    this.#loop.trigger();
  }

  /** What would be done, in the words of `--noop`. */
  #rehearse(actual: Table): void {
    const { print, restraint } = this.#parts;
    const flushed = this.#options.flush ? [...actual.keys()] : [];
    const circumstances = this.#circumstances(this.#options.flush ? new Map() : actual, this.#dirty);
    const all = diff(circumstances.actual, this.#planner.desired, circumstances.owned);
    const { make, remove } = restraint.allow(all, circumstances);
    const lines = [...flushed.map((key) => `flush: ${key}`), ...[...make, ...remove].map(printOp)];
    const text = lines.length > 0 ? `${lines.join('\n')}\n` : 'nothing to do\n';
    this.#report.once('printed', text, () => print(text));
  }

  #print(actual: Table): void {
    if (!this.#options.print) return;
    const text = printTable(actual, this.#planner.desired);
    this.#report.once('printed', text, () => this.#parts.print(text));
  }

  /** When there is something to do without any news, by the clock. */
  get #next(): number | undefined {
    const times = [this.#parts.restraint.next, this.#retries.next].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #wakeLater(): void {
    this.#cancelWake();
    const next = this.#next;
    const { clock } = this.#parts;
    if (next !== undefined) this.#cancelWake = clock.after(Math.max(0, next - clock.now()), () => this.#loop.trigger());
  }

  /** What `/status` shows of it. */
  status(): Omit<AgentStatus, 'version' | 'balancer' | 'pid' | 'started'> {
    const { clock, ownership, restraint, wall } = this.#parts;
    const actual: Table = this.#actual ?? new Map();
    const ours = [...actual].filter(([key]) => ownership.has(key));
    return {
      ready: this.#ready,
      sources: this.#follower.statuses,
      problems: this.#report.problems,
      quarantined: this.#follower.tree.quarantined,
      virtualServices: ours.length,
      destinations: ours.reduce((sum, [, { destinations }]) => sum + destinations.size, 0),
      foreign: this.#foreign(actual),
      ...restraint.status(wall()),
      retrying: this.#retries.all.map(({ key, failures, at }) => ({
        virtualService: key,
        message: failures.map(({ error }) => error.message).join('; '),
        until: new Date(wall() + at - clock.now()).toISOString(),
      })),
      drift: this.#report.drift,
      lastPass: this.#report.lastPass,
    };
  }

  #foreign(actual: Table): string[] {
    const { ownership } = this.#parts;
    return [...actual.keys()].filter((key) => !ownership.has(key) && !this.#planner.desired.has(key)).toSorted();
  }

  #reportForeign(actual: Table): void {
    const virtualServices = this.#foreign(actual);
    this.#report.once('foreign', virtualServices.join('\n'), () =>
      this.#parts.log.info('virtual services that are not ours are left alone', { virtualServices }),
    );
  }

  #reportProblems(): void {
    this.#report.update(this.#follower.tree.problems, this.#planner.problems, this.#retries.problems);
  }

  async #save(what: 'ownership' | 'drains'): Promise<void> {
    const { ownership, restraint, log, wall } = this.#parts;
    try {
      await (what === 'ownership' ? ownership.save() : restraint.save(wall()));
      this.#report.once(what, '', () => {});
    } catch (error) {
      const text = `state not written, so a restarted agent may not recognise its own: ${toError(error).message}`;
      this.#report.once(what, text, () => log.error(text));
    }
  }

  #failed(error: Error, retryIn: number): void {
    // The process ends, and whoever restarts it begins with a fresh look; the kernel forwards on meanwhile.
    if (isBug(error)) throw error;
    const fields = { error, retryInMs: Math.round(retryIn) };
    this.#report.once('failure', error.message, () =>
      this.#parts.log.error('pass failed: the kernel keeps forwarding, retrying', fields),
    );
  }
}
