import { isDeepStrictEqual } from 'node:util';
import { Backoff, delay, toError, type Clock, type Logger } from '@clusterf/daemon';
import type { ContainerState, DockerEvent, DockerView, Engine, NetworkState } from './container.js';
import { Kills, triggerOf } from './events.js';
import { Inspections } from './inspections.js';
import { isLabelled } from './labels.js';

export interface WatchOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between two listings. */
  readonly resync: number;
  /** Inspects under way at once. */
  readonly parallel: number;
  /** Networks to report. */
  readonly networks: readonly string[];
  /** @param complete whether Docker has answered for all that it listed, as it has not if it is slow at first */
  readonly onView: (view: DockerView, complete: boolean) => void;
}

/** A socket that nobody answers costs nothing to try; what dies before Docker is heard again keeps its weight. */
const RECONNECT = { initial: 100, max: 2_000 };

/** Milliseconds until a failed inspect is tried again, while Docker otherwise answers. */
const INSPECT_RETRY = 1_000;

/**
 * Milliseconds that the first telling waits for all inspects. Longer, and one container that Docker is stuck on
 * would let the registrations of all others, which a former agent left to their TTL, run out.
 */
const FIRST_TELLING = 2_000;

const LIVE: ReadonlySet<string> = new Set(['running', 'paused']);

/**
 * Follows one Docker engine and tells every change of what it sees.
 *
 * INVARIANTS
 * - Events are subscribed to before anything is listed, so nothing falls between the two.
 * - Nothing is told before the first listing is through, or has had its time.
 * - A container goes only when Docker, asked, says that it does not run: never because Docker did not answer,
 *   nor because a list, taken before it started, lacks it.
 */
export class DockerWatch {
  readonly #options: WatchOptions;
  readonly #containers = new Map<string, ContainerState>();
  /** Listed, and not known yet. */
  readonly #awaited = new Set<string>();
  readonly #kills = new Kills();
  #networks: readonly NetworkState[] = [];
  /** Docker's time of the last event, to resume after. */
  #since: number | undefined;
  #listed = false;
  /** What the receiver of views threw: not to be mistaken for a lost Docker. */
  #bug: Error | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Lists and inspects once, without subscribing. @throws whatever Docker's failure was */
  async once(signal: AbortSignal): Promise<void> {
    const failures: Error[] = [];
    const inspections = this.#inspections(signal, (_id, error) => failures.push(error));
    const { inspected } = await this.#list(inspections, signal);
    await inspected;
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    this.#listed = true;
    this.#tell();
  }

  /** Until the signal aborts; a lost Docker is waited for, with everything it told kept. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const backoff = new Backoff(RECONNECT);
    const onListed = () => {
      if (backoff.failures > 0) log.info('docker answers again');
      backoff.reset();
    };
    while (!signal.aborted) {
      try {
        await this.#session(signal, onListed);
      } catch (thrown) {
        if (this.#bug !== undefined) throw this.#bug;
        if (signal.aborted) return;
        const meanwhile = this.#listed ? 'registrations are kept' : 'nothing is registered until it answers';
        // Once for each outage; its repetitions are for those who look closer.
        const level = backoff.failures === 0 ? 'warn' : 'debug';
        const retryInMs = Math.round(backoff.next());
        log[level](`docker unavailable: ${meanwhile}`, { error: toError(thrown), retryInMs });
        await delay(clock, retryInMs, signal);
      }
    }
  }

  /** One event stream, from subscription to loss. */
  async #session(outer: AbortSignal, onListed: () => void): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([outer, over.signal]);
    const inspections = this.#inspections(signal, (id, error) => void this.#retry(id, error, inspections, signal));
    try {
      const events = await this.#options.engine.subscribe(this.#since, signal);
      await Promise.all([
        this.#follow(events, inspections, signal),
        this.#listAgainAndAgain(inspections, signal, onListed),
      ]);
    } finally {
      over.abort();
    }
  }

  async #follow(events: AsyncIterable<DockerEvent>, inspections: Inspections, signal: AbortSignal): Promise<void> {
    for await (const event of events) {
      this.#since = event.time;
      const trigger = triggerOf(event, (id) => this.#containers.has(id));
      switch (trigger?.type) {
        case 'kill':
          this.#kills.record(trigger.id, trigger.signal, trigger.time);
          this.#tell();
          break;
        case 'inspect':
          void inspections.request(trigger.id);
          break;
        case 'networks':
          await this.#readNetworks(signal);
          break;
        case undefined:
          break;
      }
    }
    throw new Error('the event stream ended');
  }

  async #listAgainAndAgain(inspections: Inspections, signal: AbortSignal, onListed: () => void): Promise<void> {
    const { clock, resync } = this.#options;
    while (!signal.aborted) {
      const { inspected } = await this.#list(inspections, signal);
      await Promise.race([inspected, delay(clock, FIRST_TELLING, signal)]);
      signal.throwIfAborted();
      this.#listed = true;
      this.#tell();
      onListed();
      await inspected;
      await delay(clock, resync, signal);
    }
  }

  /** Resolves when Docker has listed; `inspected` does when all that it listed have been asked for. */
  async #list(inspections: Inspections, signal: AbortSignal): Promise<{ readonly inspected: Promise<unknown> }> {
    const listed = await this.#options.engine.list(signal);
    const ours = listed.filter(({ labels }) => isLabelled(labels)).map(({ id }) => id);
    await this.#readNetworks(signal);
    // Those known but not listed are asked for by name as well: the answer, not the gap, says that they are gone.
    const ids = new Set([...ours, ...this.#containers.keys()]);
    this.#awaited.clear();
    for (const id of ours) if (!this.#containers.has(id)) this.#awaited.add(id);
    return { inspected: Promise.all([...ids].map((id) => inspections.request(id))) };
  }

  #inspections(signal: AbortSignal, onFailure: (id: string, error: Error) => void): Inspections {
    const { engine, parallel } = this.#options;
    const inspect = async (id: string) => {
      let state: ContainerState | undefined;
      try {
        state = await engine.inspect(id, signal);
      } catch (thrown) {
        if (!signal.aborted) onFailure(id, toError(thrown));
        return;
      }
      this.#update(id, state);
    };
    return new Inspections({ parallel, inspect });
  }

  async #retry(id: string, error: Error, inspections: Inspections, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    log.warn('inspect failed, what is known of the container is kept', { id, error });
    await delay(clock, INSPECT_RETRY, signal);
    if (!signal.aborted) await inspections.request(id);
  }

  #update(id: string, state: ContainerState | undefined): void {
    const before = this.#containers.get(id);
    const isLastAwaited = this.#awaited.delete(id) && this.#awaited.size === 0;
    if (state !== undefined && LIVE.has(state.status)) {
      this.#containers.set(id, state);
      if (!isDeepStrictEqual(before, state)) this.#tell();
      return;
    }
    this.#kills.forget(id);
    if (this.#containers.delete(id) || isLastAwaited) this.#tell();
  }

  async #readNetworks(signal: AbortSignal): Promise<void> {
    const { engine, networks } = this.#options;
    this.#networks = await engine.networks(networks, signal);
    this.#tell();
  }

  #tell(): void {
    if (!this.#listed) return;
    const containers = [...this.#containers.values()];
    const draining = new Set(containers.filter((container) => this.#kills.draining(container)).map(({ id }) => id));
    try {
      this.#options.onView({ containers, others: [], draining, networks: this.#networks }, this.#awaited.size === 0);
    } catch (thrown) {
      this.#bug = toError(thrown);
      throw this.#bug;
    }
  }
}
