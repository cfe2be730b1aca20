import { destinationKey, type VirtualServiceId } from '@clusterf/ipvs';
import * as z from 'zod';
import { type Diff, type Op, virtualServiceOf } from './diff.js';
import type { StateFile } from './state-file.js';
import type { KnownDestination, Table } from './table.js';

/** What is remembered across restarts; `until` is in milliseconds of the wall clock. */
export const DrainState = z.object({
  version: z.literal(1),
  drains: z.array(z.object({ virtualService: z.string(), destination: z.string(), until: z.number() })),
});
export type DrainState = z.infer<typeof DrainState>;

export interface DrainOptions {
  /** Milliseconds that established connections are given; 0 = none: `--drain-timeout`. */
  readonly timeout: number;
}

/** Connections of a destination, as the kernel counts them: active ones are established, others begin or end. */
export interface Connections {
  readonly active: number;
  readonly inactive: number;
}

interface Drain {
  readonly key: string;
  readonly destination: string;
  readonly service: VirtualServiceId;
  readonly until: number;
  /** When its connections are looked at next. */
  look: number;
  /** Whether they have been looked at. */
  looked: boolean;
  active: number | undefined;
  done: boolean;
}

/** Between looks: long enough for a connection that was just let in to become an active one. */
const INTERVAL = 1000;

/**
 * Removes gently: a destination that is to go has weight 0 first, which keeps its established connections and lets
 * none in, and is deleted when none is active or when its time is up. The same goes for those of a virtual service
 * that is to go. One that is wanted again is forgotten here, and the diff gives it its weight back.
 *
 * Datagrams know no connections: UDP goes at once (the kernel's `expire_nodest_conn` sends what follows elsewhere).
 */
export class Drains {
  readonly #timeout: number;
  readonly #state: StateFile<DrainState>;
  /** By virtual service, then by destination. */
  readonly #drains = new Map<string, Map<string, Drain>>();
  /** What an earlier run had begun, likewise: until when, in milliseconds of this run's clock. */
  readonly #inherited = new Map<string, Map<string, number>>();
  /** What begins a drain once the kernel has acknowledged it. */
  #beginning: Set<Op> = new Set();
  #changed = false;

  /**
   * @param now the clock that all times here are of, in milliseconds
   * @param wall the time of day in milliseconds, for what is written down
   */
  constructor({ timeout }: DrainOptions, state: StateFile<DrainState>, now: number, wall: number) {
    this.#timeout = timeout;
    this.#state = state;
    for (const { virtualService, destination, until } of state.value.drains) {
      // A time of day that was set back must not make a drain endless.
      const left = Math.min(until - wall, timeout);
      within(this.#inherited, virtualService).set(destination, now + left);
    }
  }

  /** Virtual services with a destination that drains. */
  get keys(): Iterable<string> {
    return this.#drains.keys();
  }

  get all(): readonly Readonly<Drain>[] {
    return [...this.#drains.values()].flatMap((drains) => [...drains.values()]);
  }

  /** When there is something to look at or to do next, undefined if nothing drains. */
  get next(): number | undefined {
    let next: number | undefined;
    for (const { done, look, until } of this.all)
      if (!done) next = Math.min(look, until, next ?? Number.POSITIVE_INFINITY);
    return next;
  }

  /**
   * Puts weight 0 in the place of removals that have to wait: among the removals, since what is to take the
   * destination's place has to be made before that too.
   *
   * @param keys the virtual services that the diff is of: a drain of theirs that it does not ask for is off
   */
  filter({ make, remove }: Diff, actual: Table, keys: Iterable<string>, now: number): Diff {
    const asked = new Set<Drain>();
    const quiesce: Op[] = [];
    const go: Op[] = [];
    for (const op of remove) {
      const destinations = actual.get(op.key)?.destinations ?? new Map<string, KnownDestination>();
      const going =
        op.command === 'delDestination' ? [destinations.get(destinationKey(op.destination))] : destinations.values();
      let wait = false;
      for (const destination of going) {
        if (destination === undefined || this.#timeout === 0 || isUdp(virtualServiceOf(op))) continue;
        const drain = destination.weight === 0 ? this.#begin(op, destination, now) : this.#find(op.key, destination);
        if (drain !== undefined) asked.add(drain);
        if (drain !== undefined && (drain.done || now >= drain.until)) continue;
        wait = true;
        if (destination.weight !== 0) quiesce.push(weightless(op, destination));
      }
      if (!wait) go.push(op);
    }
    this.#forget(keys, asked);
    this.#beginning = new Set(quiesce);
    return { make, remove: [...quiesce, ...go] };
  }

  /** Virtual services of which the connections are to be counted now. */
  due(now: number): readonly { readonly key: string; readonly service: VirtualServiceId }[] {
    return [...this.#drains].flatMap(([key, drains]) => {
      const due = [...drains.values()].find(({ done, look }) => !done && look <= now);
      return due === undefined ? [] : [{ key, service: due.service }];
    });
  }

  /**
   * Takes in how many connections the destinations of a virtual service have.
   *
   * @param counts by `destinationKey`; a destination that is not there has none
   * @returns whether some destination has drained
   */
  observe(key: string, counts: ReadonlyMap<string, Connections>, now: number): boolean {
    let drained = false;
    for (const drain of this.#drains.get(key)?.values() ?? []) {
      if (drain.done) continue;
      const { active, inactive } = counts.get(drain.destination) ?? { active: 0, inactive: 0 };
      // At the first look what is inactive may be about to become active.
      drain.done = active === 0 && (drain.looked || inactive === 0);
      drain.active = active;
      drain.looked = true;
      drain.look = now + INTERVAL;
      drained ||= drain.done;
    }
    return drained;
  }

  /**
   * An operation that the kernel has acknowledged: what has weight 0 now drains, what is removed drains no more.
   *
   * @param now asked only where it matters: of ten thousand operations few do
   */
  acknowledge(op: Op, now: () => number): void {
    if (op.command === 'setDestination' && this.#beginning.delete(op)) this.#begin(op, op.destination, now());
    if (op.command === 'delService') this.#changed = this.#drains.delete(op.key) || this.#changed;
    if (op.command === 'delDestination') this.#delete(op.key, destinationKey(op.destination));
  }

  /** Writes down what drains, if that changed or could not be written. */
  async save(now: number, wall: number): Promise<void> {
    if (!this.#changed && this.#state.saved) return;
    this.#changed = false;
    const drains = this.all.map(({ key: virtualService, destination, until }) => ({
      virtualService,
      destination,
      until: Math.round(wall + until - now),
    }));
    await this.#state.write({ version: 1, drains });
  }

  #find(key: string, destination: KnownDestination): Drain | undefined {
    return this.#drains.get(key)?.get(destinationKey(destination));
  }

  /** The one there is, or a new one: its time begins when it takes no more connections. */
  #begin(op: Op, destination: KnownDestination, now: number): Drain {
    const known = this.#find(op.key, destination);
    if (known !== undefined) return known;
    const at = destinationKey(destination);
    const until = this.#inherited.get(op.key)?.get(at) ?? now + this.#timeout;
    const drain: Drain = {
      key: op.key,
      destination: at,
      service: virtualServiceOf(op),
      until,
      look: now,
      looked: false,
      active: undefined,
      done: false,
    };
    within(this.#drains, op.key).set(at, drain);
    this.#changed = true;
    return drain;
  }

  #forget(keys: Iterable<string>, asked: ReadonlySet<Drain>): void {
    for (const key of keys) {
      this.#inherited.delete(key);
      for (const drain of this.#drains.get(key)?.values() ?? [])
        if (!asked.has(drain)) this.#delete(key, drain.destination);
    }
  }

  #delete(key: string, destination: string): void {
    const drains = this.#drains.get(key);
    if (drains?.delete(destination)) this.#changed = true;
    if (drains?.size === 0) this.#drains.delete(key);
  }
}

function within<T>(map: Map<string, Map<string, T>>, key: string): Map<string, T> {
  const inner = map.get(key) ?? new Map<string, T>();
  map.set(key, inner);
  return inner;
}
function isUdp(service: VirtualServiceId): boolean {
  return 'protocol' in service && service.protocol === 'udp';
}

function weightless(op: Op, destination: KnownDestination): Op {
  const { key, serviceName } = op;
  return {
    command: 'setDestination',
    key,
    ...(serviceName !== undefined && { serviceName }),
    ...(destination.backends !== undefined && { backends: destination.backends }),
    service: virtualServiceOf(op),
    destination: { ...destination, weight: 0 },
  };
}
