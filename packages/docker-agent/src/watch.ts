import { setMaxListeners } from 'node:events';
import { type Clock, delay, type Logger, toError } from '@clusterf/daemon';
import type { ContainerState, DockerEvent, DockerView, Engine, Recollection } from './container.js';
import { doubt } from './doubt.js';
import { triggerOf } from './events.js';
import { FORMER_KILLS, formerKills } from './former-kills.js';
import { Inspections } from './inspections.js';
import { isLabelled } from './labels.js';
import { Pace } from './pace.js';
import { type Moment, Picture } from './picture.js';
import { reconnect } from './reconnect.js';
import { Retries } from './retries.js';

export interface WatchOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between two listings. */
  readonly resync: number;
  /** Inspects under way at once. */
  readonly parallel: number;
  /** Milliseconds that a container has to have run before it is told of. */
  readonly minUptime: number;
  /** Networks to report. */
  readonly networks: readonly string[];
  /** @param unsure ids of containers that Docker has listed but not answered for, as where it is slow at first */
  readonly onView: (view: DockerView, unsure: ReadonlySet<string>) => void;
}

/** Milliseconds that events are asked for twice, since times lose precision on the way; repeats do no harm. */
const OVERLAP = 1_000;

/** Milliseconds between two inspects of one container, however many events it has. */
const INSPECT_REST = 100;

/** Milliseconds until an inspect that failed once is tried again, while Docker otherwise answers. */
const INSPECT_RETRY = 1_000;

/**
 * Milliseconds that the first telling waits for all inspects. Longer, and one container that Docker is stuck on
 * would let the registrations of all others, which a former agent left to their TTL, run out.
 */
const FIRST_TELLING = 2_000;

/** Told what became of each inspect. */
interface Outcomes {
  readonly answered: (id: string) => void;
  readonly failed: (id: string, error: Error) => void;
}

/** Stands among the ids of containers, for the question about the networks. */
const NETWORKS = 'networks';

/**
 * Follows one Docker engine and tells every change of what it sees.
 *
 * INVARIANTS
 * - Events are subscribed to before anything is listed, so nothing falls between the two.
 * - Nothing is told before the first listing is through, or has had its time.
 * - A container goes only when Docker, asked, says that it does not run: never because Docker did not answer,
 *   nor because a list, taken before it started, lacks it.
 * - No more than half the time goes into telling: changes that arrive while the last was told are told together.
 */
export class DockerWatch {
  readonly #options: WatchOptions;
  readonly #picture: Picture;
  /** Docker's time of the newest event, to resume after. */
  #heard: number | undefined;
  /** What Docker's clock is ahead of ours. */
  #clockLead = 0;
  #listed = false;
  readonly #telling: Pace;
  /** What the receiver of views threw: not to be mistaken for a lost Docker. */
  #bug: Error | undefined;
  #endSession: () => void = () => {};

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#picture = new Picture(options.minUptime);
    this.#telling = new Pace({ clock: options.clock, act: () => this.#tell(), onError: () => this.#endSession() });
  }

  /** Lists and inspects once, without subscribing. @throws whatever Docker's failure was */
  async once(signal: AbortSignal): Promise<void> {
    const failures: Error[] = [];
    const inspections = this.#inspections(signal, {
      answered: () => {},
      failed: (_id, error) => failures.push(error),
    });
    const { now } = await this.#recall(0, 0, signal);
    for (const { id, ...kill } of await formerKills(this.#options.engine, now, signal)) {
      this.#picture.killed(id, kill.signal, kill.time);
    }
    await this.#readNetworks(signal);
    const { inspected } = await this.#list(inspections, signal);
    await inspected;
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    this.#listed = true;
    this.#telling.actNow();
    this.#telling.stop();
  }

  /** Until the signal aborts; a lost Docker is waited for, with everything it told kept. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await reconnect(
        {
          clock,
          log,
          session: (onListed) => this.#session(signal, onListed),
          meanwhile: () => (this.#listed ? 'registrations are kept' : 'nothing is registered until it answers'),
          isFatal: () => this.#bug !== undefined,
        },
        signal,
      );
    } catch (thrown) {
      throw this.#bug ?? thrown;
    } finally {
      this.#telling.stop();
    }
  }

  /** One event stream, from subscription to loss. */
  async #session(outer: AbortSignal, onListed: () => void): Promise<void> {
    const { clock, engine, log, resync } = this.#options;
    const over = new AbortController();
    this.#endSession = () => over.abort();
    const signal = AbortSignal.any([outer, over.signal]);
    const retry = (id: string) => void this.#inspect([id], inspections);
    const retries = new Retries({ clock, first: INSPECT_RETRY, most: resync, retry });
    const inspections = this.#inspections(signal, {
      answered: (id) => retries.succeeded(id),
      failed: (id, error) => {
        const retryInMs = retries.failed(id);
        const message = 'docker did not say what became of something, what is known of it is kept';
        log.warn(message, { about: id, error, retryInMs });
      },
    });
    try {
      const { now: began } = await this.#recall(0, 0, signal);
      this.#heard ??= began - FORMER_KILLS;
      const heard = () => this.#heard ?? began;
      const events = await engine.subscribe(Math.min(heard(), began) - OVERLAP, signal);
      await Promise.all([
        this.#follow(events, inspections, signal),
        this.#listAgainAndAgain(inspections, signal, onListed),
        doubt({ clock, began, heard, recall: (...times) => this.#recall(...times, signal) }, signal),
      ]);
      if (this.#bug !== undefined) throw this.#bug;
    } finally {
      over.abort();
      retries.stop();
    }
  }

  async #follow(events: AsyncIterable<DockerEvent>, inspections: Inspections, signal: AbortSignal): Promise<void> {
    for await (const event of events) {
      if (signal.aborted) return;
      this.#heard = Math.max(event.time, this.#heard ?? event.time);
      const trigger = triggerOf(event, (id) => this.#picture.containers.concerns(id));
      switch (trigger?.type) {
        case 'kill':
          this.#picture.killed(trigger.id, trigger.signal, trigger.time);
          this.#changed();
          break;
        case 'inspect':
          void this.#inspect([trigger.id], inspections);
          break;
        case 'networks':
          void inspections.request(NETWORKS);
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
      await this.#readNetworks(signal);
      const { inspected } = await this.#list(inspections, signal);
      await Promise.race([inspected, delay(clock, FIRST_TELLING, signal)]);
      signal.throwIfAborted();
      this.#listed = true;
      this.#changed();
      onListed();
      await inspected;
      await delay(clock, resync, signal);
    }
  }

  #now(): Moment {
    const ours = this.#options.clock.now();
    return { ours, dockers: ours + this.#clockLead };
  }

  async #recall(since: number, until: number, signal: AbortSignal): Promise<Recollection> {
    const { engine, clock } = this.#options;
    const recollection = await engine.recall(since, until, signal);
    this.#clockLead = recollection.now - clock.now();
    return recollection;
  }

  /** Resolves when Docker has listed; `inspected` does when all that it listed have been asked for. */
  async #list(inspections: Inspections, signal: AbortSignal): Promise<{ readonly inspected: Promise<void> }> {
    const listed = await this.#options.engine.list(signal);
    const ours = listed.filter(({ labels }) => isLabelled(labels)).map(({ id }) => id);
    this.#picture.waitFor(ours);
    const { containers } = this.#picture;
    // Those known but not listed are asked for by name as well: the answer, not the gap, says that they are gone.
    const known = [...containers].map(({ id }) => id);
    return { inspected: this.#inspect(new Set([...ours, ...known, ...containers.owners]), inspections) };
  }

  /** These, and whoever lends them a network, and so on. */
  async #inspect(ids: Iterable<string>, inspections: Inspections): Promise<void> {
    const asked = new Set<string>();
    for (let next = [...ids]; next.length > 0; ) {
      for (const id of next) asked.add(id);
      await Promise.all(next.map((id) => inspections.request(id)));
      const owners = next.map((id) => this.#picture.containers.missingOwnerOf(id)).filter((id) => id !== undefined);
      next = [...new Set(owners)].filter((id) => !asked.has(id));
    }
  }

  #inspections(signal: AbortSignal, outcome: Outcomes): Inspections {
    const { engine, parallel, clock } = this.#options;
    // Every question under way listens to it: many are no leak.
    setMaxListeners(0, signal);
    const inspect = async (id: string) => {
      let state: ContainerState | undefined;
      try {
        if (id === NETWORKS) await this.#readNetworks(signal);
        else state = await engine.inspect(id, signal);
      } catch (thrown) {
        if (!signal.aborted) outcome.failed(id, toError(thrown));
        return;
      }
      outcome.answered(id);
      if (id === NETWORKS) return;
      if (this.#picture.answered(id, state, this.#now())) this.#changed();
    };
    return new Inspections({ inspect, parallel, clock, rest: INSPECT_REST });
  }

  async #readNetworks(signal: AbortSignal): Promise<void> {
    const { engine, networks } = this.#options;
    this.#picture.networks = await engine.networks(networks, signal);
    this.#changed();
  }

  #changed(): void {
    if (!this.#listed) return;
    try {
      this.#telling.changed();
    } catch {
      this.#endSession();
    }
  }

  #tell(): void {
    const { onView } = this.#options;
    // Of one moment: a container that grows up meanwhile is in the view or is waited for.
    const now = this.#now();
    try {
      onView(this.#picture.view(now), this.#picture.unsure);
    } catch (thrown) {
      this.#bug = toError(thrown);
      throw this.#bug;
    }
    const next = this.#picture.untilNextView(now.ours);
    if (next !== undefined) this.#telling.actIn(next);
  }
}
