import { type Clock, FailureError, type Logger } from '@clusterf/daemon';
import { ConfigTree, Digest } from '@clusterf/model';
import { kindOf, type Source } from '@clusterf/store';
import type { SourceStatus } from './status.js';

export interface FollowOptions {
  /** Routes only from sources whose URL begins so: `--filter-routes`. */
  readonly filterRoutes?: string | undefined;
  /** Whether a source that cannot be read is the end. */
  readonly once: boolean;
}

/** What changed in the tree since it was asked last. */
export interface Changes {
  readonly services: Set<string>;
  /** Docker hosts and balancers that are drained now, or no longer. */
  readonly hosts: Set<string>;
  readonly balancers: Set<string>;
  routes: boolean;
  sync: boolean;
  /** When the first of it arrived, by the clock; undefined if nothing changed. */
  since: number | undefined;
}

/** Follows the sources and merges what they tell into one tree. A source that goes away changes nothing. */
export class Follower {
  readonly tree: ConfigTree;
  readonly #sources: readonly Source[];
  readonly #options: FollowOptions;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #statuses: SourceStatus[];
  /** By source: the kinds of trouble that were told of since it was read last. */
  readonly #told: readonly Set<string>[];
  #changes = nothing();
  /** Aborted to read all sources anew. */
  #reading = new AbortController();

  constructor(sources: readonly Source[], options: FollowOptions, log: Logger, clock: Clock) {
    this.#sources = sources;
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    const [since, digest] = [timestamp(), String(new Digest())];
    this.#statuses = sources.map(({ url }) => ({ url, state: 'unread', since, entries: 0, digest }));
    this.#told = sources.map(() => new Set());
    this.tree = new ConfigTree(
      sources.map(({ url }) => url),
      { filterRoutes: options.filterRoutes },
    );
  }

  get statuses(): readonly SourceStatus[] {
    return this.#statuses;
  }

  /** Reads every source anew; what was read before stays in force until then. */
  reread(): void {
    this.#reading.abort();
    this.#reading = new AbortController();
  }

  takeChanges(): Changes {
    const changes = this.#changes;
    this.#changes = nothing();
    return changes;
  }

  /**
   * Runs until the signal aborts.
   *
   * @param onNews called after every event that changed something, be it only what is wrong
   * @throws FailureError with `once`, for a source that cannot be read
   */
  async run(until: AbortSignal, onNews: () => void): Promise<void> {
    await Promise.all(this.#sources.map(async (source, index) => await this.#follow(source, index, until, onNews)));
  }

  async #follow(source: Source, index: number, until: AbortSignal, onNews: () => void): Promise<void> {
    while (!until.aborted) {
      const signal = AbortSignal.any([until, this.#reading.signal]);
      for await (const event of source.events(signal)) {
        if (signal.aborted) break;
        this.#take(source, index, event, onNews);
      }
    }
  }

  #take(source: Source, index: number, event: Parameters<ConfigTree['apply']>[1], onNews: () => void): void {
    const before = this.#statuses[index];
    if (event.type === 'unavailable') {
      const { error } = event;
      if (this.#options.once) throw new FailureError(`source unavailable: ${error.message}`, { cause: error });
      const unread = before?.state === 'unread';
      const meanwhile = unread ? 'the kernel is left as it is until it is read' : 'what was last read stays in force';
      const told = this.#told[index];
      const kind = kindOf(error);
      if (told?.has(kind) !== true) this.#log.warn(`source unavailable: ${meanwhile}`, { source: source.url, error });
      told?.add(kind);
      this.#note(index, { state: unread ? 'unread' : 'unavailable', error: error.message });
      return;
    }
    this.#told[index]?.clear();
    const { complete, problems } = this.tree;
    const digest = this.tree.digest(index);
    const { services, routes, sync, hosts, balancers } = this.tree.apply(index, event);
    if (event.type === 'snapshot')
      this.#log.info('source read', { source: source.url, entries: this.tree.entries(index) });
    this.#note(index, { state: 'current' });
    const changes = this.#changes;
    for (const name of services) changes.services.add(name);
    for (const name of hosts) changes.hosts.add(name);
    for (const name of balancers) changes.balancers.add(name);
    changes.routes ||= routes;
    changes.sync ||= sync;
    const changed = services.size > 0 || routes || sync || hosts.size > 0 || balancers.size > 0;
    if (changed) changes.since ??= this.#clock.now();
    const rewritten = digest !== this.tree.digest(index); // Be it only in other words: who follows is to say that it has.
    if (changed || rewritten || complete !== this.tree.complete || problems !== this.tree.problems) onNews();
  }

  #note(index: number, { state, error }: Pick<SourceStatus, 'state' | 'error'>): void {
    const before = this.#statuses[index];
    if (before === undefined) return;
    const since = state === before.state ? before.since : timestamp();
    const [entries, digest] = [this.tree.entries(index), this.tree.digest(index)];
    this.#statuses[index] = { url: before.url, state, since, entries, digest, ...(error !== undefined && { error }) };
  }
}

function nothing(): Changes {
  return {
    services: new Set(),
    hosts: new Set(),
    balancers: new Set(),
    routes: false,
    sync: false,
    since: undefined,
  };
}

function timestamp(): string {
  return new Date().toISOString();
}
