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
import { delay, FailureError, isBug, type PassReason, ReconcileLoop } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { AgentOptions, AgentParts } from './agent-parts.js';
import { apply, type Failure, isStale } from './apply.js';
import { diff } from './diff.js';
import { DrainWatch } from './drain-watch.js';
import { type Changes, Follower } from './follow.js';
import type { Desired } from './plan.js';
import { Planner } from './planner.js';
import { printTable } from './print.js';
import { type Rehearsal, rehearsalText } from './rehearsal.js';
import { Report } from './report.js';
import type { Circumstances } from './restraint.js';
import { Retries } from './retries.js';
import type { AgentStatus } from './status.js';
import { type MutableTable, recognise, type Table } from './table.js';
import { KernelView } from './view.js';

/** Against somebody who changes the same virtual service as fast as we read it. */
const MAX_ROUNDS = 3;
const FLUSH_LATER = 'not flushed: the tree publishes nothing, and that may be a mistake; flushed once it does';
/** Seconds, beyond which somebody should look. */
const LONGEST_PASS = 60;

export class IpvsAgent {
  readonly #options: AgentOptions;
  readonly #parts: AgentParts;
  readonly #follower: Follower;
  readonly #planner: Planner;
  readonly #retries = new Retries();
  readonly #report: Report;
  readonly #loop: ReconcileLoop;
  readonly #view: KernelView;
  readonly #drained: DrainWatch;
  readonly #dirty = new Set<string>();
  /** Whether the tree has published anything yet, or need not have. */
  #published: boolean;
  /** Whether what comes before the first pass is done. */
  #begun = false;
  /** Whether the first pass is done. */
  #ready = false;
  #rehearsal: Rehearsal | undefined;
  /** When the pass under way began, by the clock. */
  #passing: number | undefined;
  readonly #others = new Map<string, readonly Problem[]>();
  #cancelWake: () => void = () => {};

  constructor(options: AgentOptions, parts: AgentParts) {
    const { sources, log, clock, observer } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#published = options.trustEmpty === true;
    this.#follower = new Follower(sources, options, log, clock);
    this.#planner = new Planner({ ...options, etcdServedAt: (id) => parts.etcd.servedAt(id) });
    this.#report = new Report(log, observer);
    this.#view = new KernelView({
      ...parts,
      desired: this.#planner.desired,
      report: this.#report,
      onDrift: (key) => {
        this.#dirty.add(key);
        this.#retries.hasten(key);
        this.#loop.trigger();
      },
      onLost: () => this.#loop.trigger(),
    });
    this.#drained = new DrainWatch({
      ...parts,
      balancer: parts.surroundings.balancer,
      onlyHost: options.onlyHost,
      desired: this.#planner.desired,
      known: () => this.#view.known,
      onCount: () => observer.counted(),
    });
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
    const { clock, etcd, observer, state, surroundings } = this.#parts;
    const started = clock.now();
    this.#passing = started;
    let failed = true;
    try {
      const thorough = !this.#ready || reason !== 'trigger';
      const moved = thorough && (await etcd.refresh());
      if (thorough && !this.#options.noop) {
        await state.verify();
        await surroundings.resync();
      }
      const changes = this.#follower.takeChanges();
      this.#drained.attend(this.#follower.tree.config);
      if (moved) for (const name of this.#follower.tree.config.services.keys()) changes.services.add(name);
      this.#replan(changes);
      const actual = await this.#view.look((key) => this.#dirty.add(key));
      if (this.#options.noop) {
        this.#rehearsal = await this.#rehearse(actual);
        const text = rehearsalText(this.#rehearsal);
        this.#report.once('printed', text, () => this.#parts.print(text));
      } else {
        await this.#begin(actual);
        if (reason === 'resync') void this.#view.walk(actual);
        await this.#converge(actual);
        if (thorough || changes.sync) await this.#synchronise(actual);
        if (!this.#options.once) this.#drained.count();
        this.#print(actual);
        if (changes.since !== undefined) observer.eventToKernel((clock.now() - changes.since) / 1000);
      }
      failed = false;
      if (!this.#ready && !this.#options.noop) this.#report.ready(this.status());
      this.#ready = true;
      this.#report.once('failure', '', () => {});
    } finally {
      this.#passing = undefined;
      this.#reportProblems();
      this.#report.pass(reason, (clock.now() - started) / 1000, failed);
    }
  }

  #replan(changes: Changes): void {
    const { desired } = this.#planner;
    const { syncing } = this.#parts.surroundings;
    for (const key of this.#planner.update(this.#follower.tree.config, changes, syncing)) {
      this.#dirty.add(key);
      this.#retries.hasten(key);
    }
    this.#published ||= desired.size > 0;
  }

  /** What comes once before the first pass, when the tree and the kernel are known. */
  async #begin(actual: MutableTable): Promise<void> {
    if (this.#begun) return;
    const { kernel, ownership, log } = this.#parts;
    // A tree that publishes nothing is more likely a typo in the prefix than the wish to have nothing at all.
    if (this.#options.flush && !this.#published)
      return this.#report.once('flush', 'later', () => log.warn(FLUSH_LATER));
    if (this.#options.flush) {
      log.warn('flushing the kernel table', { virtualServices: [...actual.keys()] });
      await kernel.flush();
      actual.clear();
    }
    this.#begun = true; // Also if the pass fails later: what it has made by then is not flushed again.
    if (this.#options.adopt) for (const key of actual.keys()) ownership.add(key);
    ownership.retain(actual, this.#planner.desired);
    this.#view.reportForeign();
  }

  /** Diffs and applies until the kernel holds what is desired, reading again what turns out not to be as known. */
  async #converge(actual: MutableTable): Promise<void> {
    const { clock, kernel, log, ownership, restraint, surroundings } = this.#parts;
    const { desired } = this.#planner;
    const { config } = this.#follower.tree;
    const now = clock.now();
    const keys = [...this.#dirty].filter((key) => !this.#retries.waits(key, now));
    for (const key of keys) {
      this.#dirty.delete(key);
      const [known, wanted] = [actual.get(key), desired.get(key)];
      if (wanted !== undefined) ownership.add(key);
      // Other backends, or another service, may have come to stand behind what stays as it is.
      if (known !== undefined && known.service !== wanted?.service) actual.set(key, recognise(known, wanted));
    }
    await ownership.save();

    const circumstances = this.#circumstances(actual, keys);
    let failures: readonly Failure[] = [];
    try {
      for (let round = 1; round <= MAX_ROUNDS; round += 1) {
        const all = diff(actual, desired, circumstances.owned, keys);
        const todo = restraint.filter(all, circumstances);
        for (const { key } of [...todo.make, ...todo.remove]) this.#view.touch(key);
        failures = await apply(kernel, todo, actual, {
          acknowledged: (op) => {
            restraint.acknowledge(op);
            this.#report.acknowledged(op);
          },
          refused: (failure) => this.#report.refused(failure),
          made: async (removals) =>
            await surroundings.announce(config, actual, circumstances.owned, [...todo.make, ...todo.remove], removals),
        });
        await this.#view.reread(actual, failures);
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
      this.#view.forget(); // Nobody knows how far it came.
      throw error;
    }
    this.#retries.update(keys, failures, clock.now());
    for (const key of [...restraint.keys, ...this.#retries.keys]) this.#dirty.add(key);
    for (const key of keys) if (!desired.has(key) && !actual.has(key)) ownership.delete(key);
    await ownership.save();
    await restraint.save(this.#parts.wall());
    this.#wakeLater();
  }

  #circumstances(actual: Table, keys: Iterable<string>): Circumstances {
    const { ownership } = this.#parts;
    const { rejected } = this.#follower.tree;
    const owned = (key: string) => ownership.has(key);
    return { actual, keys, owned, rejected, published: this.#published };
  }

  async #synchronise(actual: Table): Promise<void> {
    const { surroundings } = this.#parts;
    const { syncing } = surroundings;
    await surroundings.synchronise(this.#follower.tree.config, actual);
    if (surroundings.syncing !== syncing) this.#loop.trigger(); // What can be planned depends on it.
  }

  /** What would be done: `--noop`. */
  async #rehearse(actual: Table): Promise<Rehearsal> {
    const { restraint, state, surroundings, wall } = this.#parts;
    const { adopt, flush } = this.#options;
    const now = this.#circumstances(flush ? new Map() : actual, this.#dirty);
    const circumstances = adopt ? { ...now, owned: () => true } : now;
    const all = diff(circumstances.actual, this.#planner.desired, circumstances.owned);
    const { make, remove } = restraint.allow(all, circumstances);
    return {
      flushed: flush ? [...actual.keys()] : [],
      ops: [...make, ...remove],
      held: restraint.status(wall()).held,
      around: await surroundings.rehearse(this.#follower.tree.config, this.#planner.desired),
      obstacle: await state.obstacle(),
    };
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
  status(): Omit<AgentStatus, 'version' | 'balancer' | 'machine' | 'pid' | 'started' | 'onlyHost'> {
    const { clock, ownership, restraint, surroundings, wall } = this.#parts;
    const actual: Table = this.#view.known ?? new Map();
    const ours = [...actual].filter(([key]) => ownership.has(key));
    return {
      ready: this.#ready,
      sources: this.#follower.statuses,
      problems: this.#report.problems,
      quarantined: this.#follower.tree.quarantined,
      virtualServices: ours.length,
      destinations: ours.reduce((sum, [, { destinations }]) => sum + destinations.size, 0),
      table: this.#planner.digest,
      foreign: this.#view.foreign,
      drained: this.#drained.status(surroundings.held),
      ...restraint.status(wall()),
      retrying: this.#retries.all.map(({ key, failures, at }) => ({
        virtualService: key,
        message: failures.map(({ error }) => error.message).join('; '),
        until: new Date(wall() + at - clock.now()).toISOString(),
      })),
      drift: this.#report.drift,
      lastPass: this.#report.lastPass,
      ...surroundings.status,
    };
  }

  /** With `--noop`: what the last pass would have done. */
  get rehearsal(): Rehearsal | undefined {
    return this.#rehearsal;
  }

  /** What the tree calls things. */
  get names(): Desired {
    return this.#planner.desired;
  }

  /** Why it is not ready, undefined if it is. */
  get unready(): string | undefined {
    if (this.#ready) return undefined;
    return this.#follower.tree.complete ? 'the first pass is not done' : 'not every source has been read yet';
  }

  /** Why it is not well, undefined if it is. */
  get unhealthy(): string | undefined {
    const seconds = this.#passing === undefined ? 0 : (this.#parts.clock.now() - this.#passing) / 1000;
    return seconds > LONGEST_PASS ? `a pass has been under way for ${Math.round(seconds)} s` : undefined;
  }

  /** Takes in what is wrong beside the agent's own work. */
  note(where: string, problems: readonly Problem[]): void {
    this.#others.set(where, problems);
    this.#reportProblems();
  }

  #reportProblems(): void {
    this.#report.update(
      this.#follower.tree.problems,
      this.#planner.problems,
      this.#retries.problems,
      this.#parts.surroundings.problems,
      this.#parts.state.problems,
      ...this.#others.values(),
    );
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
