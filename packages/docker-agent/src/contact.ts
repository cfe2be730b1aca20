import { type Clock, toError } from '@clusterf/daemon';
import type { Arrivals } from './arrivals.js';
import type { DockerEvent, Engine } from './container.js';
import { isLabelled } from './labels.js';
import type { Observer } from './observer.js';

export interface ContactOptions {
  readonly engine: Engine;
  readonly observer: Observer;
  readonly arrivals: Arrivals;
  readonly clock: Clock;
  /** Aborts when the agent ends, and takes the connection along: no loss. */
  readonly ending: AbortSignal;
}

/** Watches how Docker is asked and how it answers; neither is changed by it. */
export class Contact {
  /** To be asked in place of the one that is watched. */
  readonly engine: Engine;
  readonly #options: ContactOptions;
  #state: 'unread' | 'current' | 'unavailable' = 'unread';
  #since = new Date();
  #lastListing: Date | undefined;
  #error: Error | undefined;
  #lastAsked: number;

  constructor(options: ContactOptions) {
    const { engine, clock } = options;
    this.#options = options;
    this.#lastAsked = clock.now();
    this.engine = {
      subscribe: async (since, signal) =>
        this.#events(await this.#ask(() => engine.subscribe(since, signal), signal), signal),
      recall: async (since, until, signal) => await this.#ask(() => engine.recall(since, until, signal), signal),
      networks: async (names, signal) => await this.#ask(() => engine.networks(names, signal), signal),
      list: async (signal) => await this.#list(signal),
      inspect: async (id, signal) => await this.#inspect(id, signal),
    };
  }

  /** As `/status` shows it. */
  get status() {
    return {
      state: this.#state,
      since: this.#since.toISOString(),
      ...(this.#lastListing === undefined ? {} : { lastListing: this.#lastListing.toISOString() }),
      ...(this.#error === undefined ? {} : { error: this.#error.message }),
    };
  }

  /** By the clock, when Docker was last asked anything, or answered. */
  get lastAsked(): number {
    return this.#lastAsked;
  }

  async #ask<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock } = this.#options;
    this.#lastAsked = clock.now();
    try {
      return await question();
    } catch (thrown) {
      // Given up, at the end or with the connection, it says nothing of Docker: what ended that does.
      if (!signal.aborted) this.#become('unavailable', toError(thrown));
      throw thrown;
    } finally {
      this.#lastAsked = clock.now();
    }
  }

  async #list(signal: AbortSignal) {
    const { engine, observer } = this.#options;
    try {
      const listed = await this.#ask(() => engine.list(signal), signal);
      observer.listing('done');
      this.#lastListing = new Date();
      this.#become('current');
      return listed;
    } catch (thrown) {
      if (!signal.aborted) observer.listing('failed');
      throw thrown;
    }
  }

  async *#events(events: AsyncIterable<DockerEvent>, signal: AbortSignal): AsyncGenerator<DockerEvent> {
    const { observer, arrivals, ending } = this.#options;
    let error: Error | undefined;
    try {
      for await (const event of events) {
        this.#heard(event);
        yield event;
      }
    } catch (thrown) {
      if (!signal.aborted) error = toError(thrown);
      throw thrown;
    } finally {
      if (!ending.aborted) {
        observer.loss();
        arrivals.lost();
        this.#become('unavailable', error ?? this.#error ?? new Error('the event stream ended'));
      }
    }
  }

  #heard(event: DockerEvent): void {
    const { observer, arrivals, clock } = this.#options;
    observer.event(event.type, event.action);
    if (event.type !== 'container' || !isLabelled(event.labels) || event.action === 'create') return;
    // What a signal means is known without asking.
    if (event.signal === undefined) arrivals.heard(event.id, clock.now());
    else arrivals.known(event.id, clock.now());
  }

  async #inspect(id: string, signal: AbortSignal) {
    const { engine, observer, arrivals, clock } = this.#options;
    const arrival = arrivals.asked(id);
    const began = clock.now();
    this.#lastAsked = began;
    const seconds = () => (clock.now() - began) / 1000;
    try {
      const state = await engine.inspect(id, signal);
      observer.inspect('done', seconds());
      if (arrival !== undefined) arrivals.known(id, arrival);
      return state;
    } catch (thrown) {
      // Given up with the connection, it has no outcome.
      if (!signal.aborted) observer.inspect('failed', seconds());
      if (arrival !== undefined) arrivals.heard(id, arrival);
      throw thrown;
    }
  }

  #become(state: 'current' | 'unavailable', error?: Error): void {
    this.#error = error;
    // Of a Docker that was never listed it is not known what runs.
    const next = this.#lastListing === undefined ? 'unread' : state;
    if (next === this.#state) return;
    this.#state = next;
    this.#since = new Date();
  }
}
