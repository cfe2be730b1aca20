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
  toError,
} from '@clusterf/daemon';
import { ConfigTree, type Problem } from '@clusterf/model';
import type { Source } from '@clusterf/store';
import { apply, type Failure, isStale, type Kernel } from './apply.js';
import { type Diff, diff, type Op, virtualServiceOf } from './diff.js';
import { holdRemovals } from './hold.js';
import type { Ownership } from './ownership.js';
import type { Desired, PlanOptions } from './plan.js';
import { Planner } from './planner.js';
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
  const agent = new IpvsAgent(options, parts);
  await (options.once ? agent.runOnce() : agent.run());
}

class IpvsAgent {
  readonly #options: AgentOptions;
  readonly #parts: AgentParts;
  readonly #tree: ConfigTree;
  readonly #problems: ProblemLog;
  readonly #planner: Planner;
  /** What changed in the tree since the last plan. */
  #changed = { services: new Set<string>(), routes: false };
  /** What the kernel holds as far as is known; absent = to be dumped. */
  #actual: MutableTable | undefined;
  /** What the kernel refused in the last pass. */
  #refused: readonly Problem[] = [];
  #flushed: boolean;
  /** Whether the tree has published anything yet. */
  #published = false;
  /** What was said last, so that it is not said again with every pass. */
  readonly #said = { printed: '', held: '', state: '', failure: '' };

  constructor(options: AgentOptions, parts: AgentParts) {
    this.#options = options;
    this.#parts = parts;
    this.#problems = new ProblemLog(parts.log);
    this.#flushed = !options.flush;
    this.#planner = new Planner(options);
    this.#tree = new ConfigTree(
      parts.sources.map(({ url }) => url),
      { filterRoutes: options.filterRoutes },
    );
  }

  async run(): Promise<void> {
    const { clock, log, signal } = this.#parts;
    const loop = new ReconcileLoop({
      pass: async (reason) => await this.#pass(reason),
      resync: this.#options.resync,
      clock,
      onFailure: (error, retryIn) => {
        // The process ends, and whoever restarts it begins with a fresh look; the kernel forwards on meanwhile.
        if (isBug(error)) throw error;
        const again = error.message === this.#said.failure;
        this.#said.failure = error.message;
        log[again ? 'debug' : 'error']('pass failed: the kernel keeps forwarding, retrying', {
          error,
          retryInMs: Math.round(retryIn),
        });
      },
    });
    await Promise.all([this.#followAll(signal, () => loop.trigger()), loop.run(signal)]);
  }

  async runOnce(): Promise<void> {
    const { signal } = this.#parts;
    const read = new AbortController();
    await this.#followAll(AbortSignal.any([signal, read.signal]), () => read.abort());
    if (!signal.aborted) await this.#pass('trigger');
  }

  /** Reads every source; `onRead` is called for every event once all have been read. Ends with `until`. */
  async #followAll(until: AbortSignal, onRead: () => void): Promise<void> {
    const { sources } = this.#parts;
    await Promise.all(sources.map(async (source, index) => await this.#follow(source, index, until, onRead)));
  }

  async #follow(source: Source, index: number, until: AbortSignal, onRead: () => void): Promise<void> {
    const { log } = this.#parts;
    let read = false;
    for await (const event of source.events(until)) {
      if (event.type === 'unavailable') {
        const { error } = event;
        if (this.#options.once) throw new FailureError(`source unavailable: ${error.message}`, { cause: error });
        const meanwhile = read ? 'what was last read stays in force' : 'the kernel is left as it is until it is read';
        log.warn(`source unavailable: ${meanwhile}`, { source: source.url, error });
        continue;
      }
      if (event.type === 'snapshot') log.info('source read', { source: source.url, entries: event.entries.size });
      read = true;
      const { services, routes } = this.#tree.apply(index, event);
      this.#changed.routes ||= routes;
      for (const name of services) this.#changed.services.add(name);
      this.#reportProblems();
      if (this.#tree.complete) onRead();
    }
  }

  async #pass(reason: PassReason): Promise<void> {
    const { kernel, ownership, print } = this.#parts;
    const desired = this.#replan();
    const actual = this.#actual === undefined || reason !== 'trigger' ? await kernel.dump() : this.#actual;
    this.#actual = actual;
    if (this.#options.noop) {
      const text = this.#rehearse(actual, desired);
      this.#unlessSaid('printed', text, () => print(text));
      return;
    }
    await this.#flushOnce(actual);
    await this.#remember([...desired.keys(), ...ownership.keys]);
    await this.#converge(actual, desired);
    await this.#remember([...desired.keys(), ...[...ownership.keys].filter((key) => actual.has(key))]);
    this.#said.failure = '';
    if (!this.#options.print) return;
    const text = printTable(actual, desired);
    this.#unlessSaid('printed', text, () => print(text));
  }

  #replan(): Desired {
    this.#planner.update(this.#tree.config, this.#changed);
    this.#changed = { services: new Set(), routes: false };
    this.#published ||= this.#planner.desired.size > 0;
    this.#reportProblems();
    return this.#planner.desired;
  }

  /** What would be done, in the words of `--noop`. */
  #rehearse(actual: Table, desired: Desired): string {
    const flushed = this.#flushed ? [] : [...actual.keys()];
    const { make, remove } = this.#todo(this.#flushed ? actual : new Map(), desired);
    const lines = [...flushed.map((key) => `flush: ${key}`), ...[...make, ...remove].map(printOp)];
    return lines.length > 0 ? `${lines.join('\n')}\n` : 'nothing to do\n';
  }

  async #flushOnce(actual: MutableTable): Promise<void> {
    const { kernel, log } = this.#parts;
    if (this.#flushed) return;
    log.warn('flushing the kernel table', { virtualServices: [...actual.keys()] });
    await kernel.flush();
    actual.clear();
    this.#flushed = true;
  }

  /** Diffs and applies until the kernel holds what is desired, reading again what turns out not to be as known. */
  async #converge(actual: MutableTable, desired: Desired): Promise<void> {
    const { kernel, log } = this.#parts;
    for (let round = 1; ; round += 1) {
      let failures: readonly Failure[];
      try {
        const acknowledged = (op: Op) => log.info(OP_TITLES[op.command], describeOp(op));
        failures = await apply(kernel, this.#todo(actual, desired), actual, acknowledged);
        await this.#reread(actual, failures);
      } catch (error) {
        this.#actual = undefined; // Nobody knows how far it came: the next pass begins with a dump.
        throw error;
      }
      const again = round < MAX_ROUNDS && failures.length > 0 && failures.every(isStale);
      if (again)
        log.info('the kernel table is not as known: read again', {
          refused: failures.map(({ error }) => error.message),
        });
      if (again) continue;
      this.#refused = failures.map(refusal);
      this.#reportProblems();
      if (failures.length === 0) return;
      throw new FailureError(`the kernel refused ${failures.map(({ error }) => error.message).join('; ')}`);
    }
  }

  /** The difference, without the removals that are held back. */
  #todo(actual: Table, desired: Desired): Diff {
    const { ownership, log } = this.#parts;
    const all = diff(actual, desired, (key) => ownership.has(key));
    const { held, ...rest } = holdRemovals(all, this.#tree.rejected, this.#published);
    const ops = held.map(printOp);
    this.#unlessSaid('held', ops.join('\n'), () =>
      log.warn(
        `removals held back until ${this.#published ? 'every entry can be read' : 'the tree publishes something'}`,
        {
          ops,
        },
      ),
    );
    return rest;
  }

  async #reread(actual: MutableTable, failures: readonly Failure[]): Promise<void> {
    for (const [key, id] of new Map(failures.map(({ op }) => [op.key, virtualServiceOf(op)]))) {
      const entry = await this.#parts.kernel.dumpService(id);
      if (entry === undefined) actual.delete(key);
      else actual.set(key, entry);
    }
  }

  async #remember(keys: readonly string[]): Promise<void> {
    try {
      await this.#parts.ownership.replace(new Set(keys));
      this.#said.state = '';
    } catch (error) {
      const text = `state not written, so a restarted agent may not recognise its own: ${toError(error).message}`;
      this.#unlessSaid('state', text, () => this.#parts.log.error(text));
      return;
    }
  }

  #reportProblems(): void {
    this.#problems.update([...this.#tree.problems, ...this.#planner.problems, ...this.#refused]);
  }

  /** The same text twice in a row is no news; no text is none either. */
  #unlessSaid(what: 'printed' | 'held' | 'state', text: string, say: () => void): void {
    if (text !== this.#said[what] && text !== '') say();
    this.#said[what] = text;
  }
}

/** What the kernel refuses is shown where a person looks for it: at the entry that asked for it. */
function refusal({ op, error }: Failure): Problem {
  const { key, serviceName, backends } = op;
  const entry = backends === undefined ? 'frontend' : `backends/${backends.join(',')}`;
  return {
    source: 'kernel',
    key: serviceName === undefined ? key : `services/${serviceName}/${entry}`,
    message: error.message,
  };
}
