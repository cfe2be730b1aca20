import type { ContainerState, DockerView, NetworkState } from './container.js';
import { Kills } from './events.js';
import { isLabelled } from './labels.js';
import { LiveContainers } from './live-containers.js';
import { sharesNetworkOf } from './shared-network.js';
import { Uptimes } from './uptimes.js';

/** A moment by both clocks, in milliseconds. */
export interface Moment {
  /** Ours, which never jumps. */
  readonly ours: number;
  readonly dockers: number;
}

/** All that is known of one Docker engine, put together of its answers and of what it told by events alone. */
export class Picture {
  readonly containers = new LiveContainers();
  networks: readonly NetworkState[] = [];
  readonly #kills = new Kills();
  readonly #uptimes: Uptimes;
  /** Asked for, and not answered for yet. */
  readonly #awaited = new Set<string>();

  /** @param minUptime milliseconds that a container has to have run before it is in the view */
  constructor(minUptime: number) {
    this.#uptimes = new Uptimes(minUptime);
  }

  /** Without an answer for each of these, not all is known. */
  waitFor(ids: Iterable<string>): void {
    this.#awaited.clear();
    for (const id of ids) if (!this.containers.has(id)) this.#awaited.add(id);
  }

  /** @returns whether that may change the view; undefined = there is no such container */
  answered(id: string, state: ContainerState | undefined, moment: Moment): boolean {
    const changed = this.containers.fold(id, state);
    if (state !== undefined && this.containers.has(id)) {
      this.#uptimes.record(state, moment.dockers, moment.ours);
    } else {
      this.#uptimes.forget(id);
      this.#kills.forget(id);
    }
    const wasAwaited = this.#awaited.delete(id);
    const owner = this.containers.missingOwnerOf(id);
    if (owner !== undefined) this.#awaited.add(owner);
    return changed || wasAwaited;
  }

  killed(id: string, signal: number, time: number): void {
    this.#kills.record(id, signal, time);
  }

  /** Ids of the containers for which Docker has not answered yet, and of those that this may concern. */
  get unsure(): ReadonlySet<string> {
    if (this.#awaited.size === 0) return this.#awaited;
    const sharers = [...this.containers].filter((container) => sharesNetworkOf(container) !== undefined);
    return new Set([...this.#awaited, ...sharers.map(({ id }) => id)]);
  }

  view({ ours, dockers }: Moment): DockerView {
    const containers: ContainerState[] = [];
    const others: ContainerState[] = [];
    for (const container of this.containers) {
      const isIn = isLabelled(container.labels) && this.#uptimes.isGrownUp(container, ours);
      (isIn ? containers : others).push(container);
    }
    const draining = new Set(containers.filter((each) => this.#kills.draining(each, dockers)).map(({ id }) => id));
    return { containers, others, draining, networks: this.networks };
  }

  /** Milliseconds until the view changes by the mere course of time; undefined if it does not. */
  untilNextView(now: number): number | undefined {
    return this.#uptimes.untilNext(now);
  }
}
