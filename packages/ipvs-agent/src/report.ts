import { type Logger, ProblemLog } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { Failure } from './apply.js';
import type { Op, OpKind } from './diff.js';
import type { Drift } from './drift.js';
import { describeOp, OP_TITLES } from './print.js';
import type { AgentStatus, DriftKind, PassStatus } from './status.js';

/** Counts what the agent does; metrics.ts does so for Prometheus. */
export interface Observer {
  operation(kind: OpKind, outcome: 'done' | 'refused'): void;
  drift(kind: DriftKind): void;
  /** `failed`: the kernel could not be asked at all. */
  pass(pass: PassStatus, outcome: 'done' | 'refused' | 'failed'): void;
  /** The connections of what is drained have been counted. */
  counted(): void;
  /** Seconds from an event's arrival to the end of the pass that brought it into the kernel. */
  eventToKernel(seconds: number): void;
}

/** Tells what the agent does, in the log and in numbers: each operation, each finding, and nothing twice in a row. */
export class Report {
  readonly #log: Logger;
  readonly #observer: Observer;
  readonly #problemLog: ProblemLog;
  readonly #said = new Map<string, string>();
  #lists: readonly (readonly Problem[])[] = [];
  #problems: readonly Problem[] = [];
  readonly #drift: Record<DriftKind, number> = { added: 0, changed: 0, removed: 0 };
  #lastPass: PassStatus | undefined;
  #operations = 0;
  #refused = 0;

  constructor(log: Logger, observer: Observer) {
    this.#log = log;
    this.#observer = observer;
    this.#problemLog = new ProblemLog(log);
  }

  /** All that is wrong now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get drift(): Readonly<Record<DriftKind, number>> {
    return { ...this.#drift };
  }

  get lastPass(): PassStatus | undefined {
    return this.#lastPass;
  }

  /** @param lists all problems there are; lists that are the same arrays as last time are no news */
  update(...lists: readonly (readonly Problem[])[]): void {
    if (lists.length === this.#lists.length && lists.every((list, index) => list === this.#lists[index])) return;
    this.#lists = lists;
    this.#problems = lists.flat();
    this.#problemLog.update(this.#problems);
  }

  /** Says what is not the same as was said of that last time; an empty text is nothing to say. */
  once(what: string, text: string, say: () => void): void {
    if (text !== '' && text !== this.#said.get(what)) say();
    this.#said.set(what, text);
  }

  acknowledged(op: Op): void {
    this.#operations += 1;
    this.#observer.operation(op.command, 'done');
    this.#log.info(OP_TITLES[op.command], describeOp(op));
  }

  refused({ op }: Failure): void {
    this.#refused += 1;
    this.#observer.operation(op.command, 'refused');
  }

  drifted({ kind, ...what }: Drift): void {
    this.#drift[kind] += 1;
    this.#observer.drift(kind);
    this.#log.warn(`drift: ${SEEN[kind](what.destination === undefined ? 'virtual service' : 'destination')}`, what);
  }

  /** The first pass of this run is done. */
  ready({ virtualServices, destinations, held }: Pick<AgentStatus, 'virtualServices' | 'destinations' | 'held'>): void {
    const done = this.#operations === 0 ? 'nothing to do' : `operations done: ${this.#operations}`;
    const did = this.#refused === 0 ? done : `${done}, refused: ${this.#refused}`;
    const waiting = held.map((each) => `, held back (${each.reason}): ${each.destinations} destinations`).join('');
    this.#log.info(`ready: ${virtualServices} virtual services, ${destinations} destinations, ${did}${waiting}`);
  }

  /**
   * @param duration seconds
   * @param failed the kernel could not be asked
   */
  pass(reason: PassStatus['reason'], duration: number, failed: boolean): void {
    const at = new Date().toISOString();
    this.#lastPass = { at, reason, duration, operations: this.#operations, refused: this.#refused };
    this.#observer.pass(this.#lastPass, failed ? 'failed' : this.#refused > 0 ? 'refused' : 'done');
    this.#operations = 0;
    this.#refused = 0;
  }
}

/** What was seen; who did it nobody can see. */
const SEEN: Readonly<Record<DriftKind, (subject: 'virtual service' | 'destination') => string>> = {
  added: () => 'a virtual service of ours has a destination that we did not make',
  changed: (subject) => `a ${subject} of ours is not set as we left it`,
  removed: (subject) => `a ${subject} of ours is gone`,
};
