import type { Clock, Logger } from '@clusterf/daemon';
import type { EntryRef } from '@clusterf/model';
import type { Kernel } from './apply.js';
import type { Brake } from './brake.js';
import type { Diff, Op } from './diff.js';
import type { Drains } from './drain.js';
import type { Grace } from './grace.js';
import { holdBack } from './hold.js';
import { printOp } from './print.js';
import type { DrainingStatus, HeldStatus } from './status.js';
import type { Table } from './table.js';

/** What the difference is judged by. */
export interface Circumstances {
  readonly actual: Table;
  readonly owned: (key: string) => boolean;
  /** Entries that could not be read when the agent started, and still cannot. */
  readonly rejected: readonly EntryRef[];
  /** Whether the tree has published anything since the start. */
  readonly published: boolean;
  /** The virtual services that the difference is of. */
  readonly keys: Iterable<string>;
}

export interface RestraintParts {
  readonly brake: Brake;
  readonly grace: Grace;
  readonly drains: Drains;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Operations that are listed where a person reads; of ten thousand, the first tell enough. */
const LISTED = 20;

interface Held {
  readonly reason: HeldStatus['reason'];
  readonly ops: readonly Op[];
  readonly destinations: number;
  readonly since: string;
}

/**
 * What stands between what is to be done and doing it, in this order: removals that an unreadable entry may be the
 * reason for are held (hold.ts), too many at once are braked (brake.ts), a virtual service may come back at once
 * (grace.ts), and what goes drains first (drain.ts).
 */
export class Restraint {
  readonly #brake: Brake;
  readonly #grace: Grace;
  readonly #drains: Drains;
  readonly #clock: Clock;
  readonly #log: Logger;
  #held: readonly Held[] = [];

  constructor({ brake, grace, drains, clock, log }: RestraintParts) {
    this.#brake = brake;
    this.#grace = grace;
    this.#drains = drains;
    this.#clock = clock;
    this.#log = log;
  }

  /** Virtual services that something is still to be done for. */
  get keys(): readonly string[] {
    return [...this.#drains.keys, ...this.#grace.keys, ...this.#held.flatMap(({ ops }) => ops.map(({ key }) => key))];
  }

  /** When there is something to do without any news, by the clock; undefined if nothing waits for its time. */
  get next(): number | undefined {
    const times = [this.#brake.until, this.#grace.next, this.#drains.next].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** What of a difference may be done now, and how. */
  filter(diff: Diff, circumstances: Circumstances): Diff {
    const { actual, keys } = circumstances;
    const now = this.#clock.now();
    const lasting = this.#grace.filter(this.allow(diff, circumstances), keys, now);
    return this.#drains.filter(lasting, actual, keys, now);
  }

  /** What of a difference is not held back. */
  allow(diff: Diff, { actual, owned, rejected, published }: Circumstances): Diff {
    const now = this.#clock.now();
    const { held, ...legible } = holdBack(diff, actual, rejected, published);
    const { held: braked, ...safe } = this.#brake.check(legible, { actual, owned }, now);
    this.#note([
      this.#holding(published ? 'unreadable entries' : 'nothing published', held, actual),
      this.#holding('brake', braked, actual),
    ]);
    return safe;
  }

  acknowledge(op: Op): void {
    if (op.command === 'delService') this.#grace.acknowledge(op.key);
    this.#drains.acknowledge(op, () => this.#clock.now());
  }

  /** Counts connections where it is time to. @returns whether some destination has drained */
  async observe(kernel: Kernel): Promise<boolean> {
    let drained = false;
    for (const { key, service } of this.#drains.due(this.#clock.now()))
      drained = this.#drains.observe(key, await kernel.connections(service), this.#clock.now()) || drained;
    return drained;
  }

  /** Writes down what drains. */
  async save(wall: number): Promise<void> {
    await this.#drains.save(this.#clock.now(), wall);
  }

  status(wall: number): { readonly held: readonly HeldStatus[]; readonly draining: readonly DrainingStatus[] } {
    const time = (at: number) => new Date(wall + at - this.#clock.now()).toISOString();
    const { until } = this.#brake;
    return {
      held: this.#held.map(({ reason, ops, destinations, since }) => ({
        reason,
        destinations,
        operations: list(ops),
        since,
        ...(reason === 'brake' && until !== undefined && { until: time(until) }),
      })),
      draining: this.#drains.all.map(({ key, destination, active, until: deadline }) => ({
        virtualService: key,
        destination,
        activeConnections: active,
        until: time(deadline),
      })),
    };
  }

  #holding(reason: Held['reason'], ops: readonly Op[], actual: Table): Held {
    const destinations = ops.reduce((sum, op) => sum + destinationsOf(op, actual), 0);
    const since = this.#held.find((before) => before.reason === reason)?.since ?? new Date().toISOString();
    return { reason, ops, destinations, since };
  }

  /** Says what is held when that begins, only how much when that grows or shrinks, and when it ends. */
  #note(holding: readonly Held[]): void {
    const now = holding.filter(({ ops }) => ops.length > 0);
    for (const { reason, ops, destinations } of now) {
      const before = this.#held.find((held) => held.reason === reason);
      if (before?.ops.length === ops.length) continue;
      const seconds = Math.ceil(((this.#brake.until ?? 0) - this.#clock.now()) / 1000);
      this.#log.warn(MESSAGES[reason], {
        destinations,
        ...(before === undefined && { ops: list(ops) }),
        ...(reason === 'brake' && { letGoInSeconds: seconds }),
      });
    }
    for (const { reason } of this.#held)
      if (!now.some((still) => still.reason === reason)) this.#log.info(`no longer held back: ${reason}`);
    this.#held = now;
  }
}

const MESSAGES: Readonly<Record<HeldStatus['reason'], string>> = {
  'unreadable entries': 'held back until every entry can be read',
  'nothing published': 'removals held back until the tree publishes something',
  brake: 'the brake holds: too many destinations would be gone within its time',
};

function list(ops: readonly Op[]): string[] {
  const listed = ops.slice(0, LISTED).map(printOp);
  return ops.length > LISTED ? [...listed, `and ${ops.length - LISTED} more`] : listed;
}

/** How many destinations an operation removes. */
function destinationsOf({ command, key }: Op, actual: Table): number {
  if (command === 'delService') return actual.get(key)?.destinations.size ?? 0;
  return command === 'delDestination' ? 1 : 0;
}
