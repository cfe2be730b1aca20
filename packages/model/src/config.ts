import { Digest } from './digest.js';
import type { Content, Entry } from './entry.js';
import { readEntry } from './entry.js';
import type { SourceEvent } from './event.js';
import { MergedConfig } from './merged.js';
import type { Problem } from './problem.js';
import { urlHasPrefix } from './source-filter.js';
import { parseKey } from './keys.js';
import type { Config } from './types.js';

/** What an event changed in the merged {@link Config}. */
export interface ConfigChange {
  /** Services whose frontend, backends or drains of single backends differ now, gone ones included. */
  readonly services: ReadonlySet<string>;
  readonly routes: boolean;
  /** The sync settings of all balancers, or of any one. */
  readonly sync: boolean;
  /** Docker hosts that are drained now, or no longer, or for another reason. */
  readonly hosts: ReadonlySet<string>;
  /** Balancers, likewise. */
  readonly balancers: ReadonlySet<string>;
}

export interface ConfigTreeOptions {
  /** `--filter-routes`: routes count only from sources whose URL begins so (see {@link urlHasPrefix}). */
  readonly filterRoutes?: string | undefined;
}

/** One key of one source. */
export interface EntryRef {
  /** The source's URL. */
  readonly source: string;
  readonly key: string;
}

/** One source's side of the tree. */
interface SourceTree {
  readonly url: string;
  readonly takesRoutes: boolean;
  readonly entries: Map<string, Entry>;
  /** How many of `entries` configure nothing: statuses, and keys of others. */
  ignored: number;
  /** Of all `entries` but these. */
  readonly digest: Digest;
  /** Those of `entries` that have something to say. */
  readonly troubled: Map<string, Entry>;
  /** Those that were bad when the source was read for the first time, and have been ever since. */
  readonly rejected: Set<string>;
  /** It has delivered a snapshot. */
  read: boolean;
  /** Set while the tree has lost what it published: what it holds instead. `entries` is from before that. */
  instead: ReadonlyMap<string, string> | undefined;
}

/**
 * Merges what several sources tell into one configuration, change by change. Pure bookkeeping, no I/O.
 *
 * INVARIANTS
 * - The result depends only on each source's tree as it is now, and on the last good value of entries that are
 *   bad now; not on the way there. One key costs O(number of sources).
 * - A key's value is that of the last source, in the order given, in which it is in force. When it goes there,
 *   the earlier one's shows again.
 * - Fail static: a bad entry keeps its last good value; a source that, read anew, has lost every frontend it had
 *   (etcd restarted without its data, a directory not mounted) keeps the old tree until it has one again: backends
 *   alone do not count, since agents put theirs back within a second. What is deleted while we watch is deleted.
 */
export class ConfigTree {
  readonly #sources: readonly SourceTree[];
  readonly #merged = new MergedConfig();
  #report:
    | { problems: readonly Problem[]; quarantined: readonly EntryRef[]; rejected: readonly EntryRef[] }
    | undefined;

  /** @param sources the canonical URLs, in the order of precedence: later wins */
  constructor(sources: readonly string[], { filterRoutes = '' }: ConfigTreeOptions = {}) {
    this.#sources = sources.map((url) => ({
      url,
      takesRoutes: urlHasPrefix(url, filterRoutes),
      entries: new Map(),
      ignored: 0,
      digest: new Digest(),
      troubled: new Map(),
      rejected: new Set(),
      read: false,
      instead: undefined,
    }));
  }

  /**
   * Takes in what a source tells.
   *
   * @param index the source's place in the list given to the constructor
   * @throws {RangeError} if there is no such source
   */
  apply(index: number, event: SourceEvent): ConfigChange {
    const source = this.#sources[index];
    if (source === undefined) {
      throw new RangeError(`source ${index} of ${this.#sources.length}`);
    }
    const touched = new Set<string>();
    switch (event.type) {
      case 'snapshot':
        this.#replace(source, event.entries, touched);
        if (!source.read) {
          for (const [path, { standing }] of source.troubled) {
            if (standing === 'rejected') {
              source.rejected.add(path);
            }
          }
        }
        source.read = true;
        break;
      case 'changes':
        this.#change(source, event.changes, touched);
        break;
      case 'unavailable':
        break;
    }
    return this.#merge(touched);
  }

  /** The configuration now: a live view, to be read before the next `apply`. */
  get config(): Config {
    return this.#merged.config;
  }

  /** What is wrong now, by source in their order, then by key. */
  get problems(): readonly Problem[] {
    return this.#reported().problems;
  }

  /** Entries that are bad and whose last good value is in force. */
  get quarantined(): readonly EntryRef[] {
    return this.#reported().quarantined;
  }

  /**
   * Entries that were bad already when we first saw their source: no good value is known, but the kernel may still
   * have what one led to. What turns up bad later was nothing before.
   */
  get rejected(): readonly EntryRef[] {
    return this.#reported().rejected;
  }

  /**
   * How many entries of a source are of the configuration, good and bad. What agents write of themselves is none.
   *
   * @param index the source's place in the list given to the constructor
   */
  entries(index: number): number {
    const source = this.#sources[index];
    return source === undefined ? 0 : source.entries.size - source.ignored;
  }

  /**
   * A short word for the configuration that a source has, by which agents that have read the same know each other. What
   * agents write of themselves does not count.
   *
   * @param index the source's place in the list given to the constructor
   */
  digest(index: number): string {
    return String(this.#sources[index]?.digest ?? new Digest());
  }

  /** Every source has been read once. */
  get complete(): boolean {
    return this.#sources.every(({ read }) => read);
  }

  #replace(source: SourceTree, entries: ReadonlyMap<string, string>, touched: Set<string>): void {
    const lost = hasLost(source.entries, entries);
    if (lost !== (source.instead !== undefined)) {
      this.#report = undefined;
    }
    source.instead = lost ? entries : undefined;
    if (lost) {
      return;
    }
    for (const path of source.entries.keys()) {
      if (!entries.has(path)) {
        this.#set(source, path, undefined, touched);
      }
    }
    for (const [path, text] of entries) {
      this.#set(source, path, text, touched);
    }
  }

  #change(source: SourceTree, changes: ReadonlyMap<string, string | undefined>, touched: Set<string>): void {
    if (source.instead !== undefined) {
      const now = new Map(source.instead);
      for (const [path, text] of changes) {
        if (text === undefined) {
          now.delete(path);
        } else {
          now.set(path, text);
        }
      }
      this.#replace(source, now, touched);
      return;
    }
    for (const [path, text] of changes) {
      this.#set(source, path, text, touched);
    }
  }

  #set(source: SourceTree, path: string, text: string | undefined, touched: Set<string>): void {
    const previous = source.entries.get(path);
    if (previous?.text === text) {
      return;
    }
    touched.add(path);
    if (previous?.standing === 'ignored') {
      source.ignored -= 1;
    } else if (previous !== undefined) {
      source.digest.remove(`${path} ${previous.text}`);
    }
    if (source.troubled.delete(path)) {
      this.#report = undefined;
    }
    if (text === undefined) {
      source.entries.delete(path);
      source.rejected.delete(path);
      return;
    }
    const entry = readEntry(path, text, previous);
    source.entries.set(path, entry);
    if (entry.standing === 'ignored') {
      source.ignored += 1;
    } else {
      source.digest.add(`${path} ${text}`);
    }
    if (entry.standing !== 'rejected') {
      source.rejected.delete(path);
    }
    if (entry.messages.length > 0) {
      source.troubled.set(path, entry);
      this.#report = undefined;
    }
  }

  #merge(touched: ReadonlySet<string>): ConfigChange {
    const services = new Set<string>();
    const hosts = new Set<string>();
    const balancers = new Set<string>();
    let routes = false;
    let sync = false;
    for (const path of touched) {
      const changed = this.#merged.set(path, this.#winner(path));
      switch (changed?.kind) {
        case 'frontend':
        case 'backend':
        case 'backendDrain':
          services.add(changed.service);
          break;
        case 'hostDrain':
          hosts.add(changed.host);
          break;
        case 'balancerDrain':
          balancers.add(changed.balancer);
          break;
        case 'route':
          routes = true;
          break;
        case 'sync':
        case 'balancerSync':
          sync = true;
          break;
        case undefined:
          break;
      }
    }
    return { services, routes, sync, hosts, balancers };
  }

  #winner(path: string): Content | undefined {
    return this.#sources
      .map(({ entries, takesRoutes }) => {
        const content = entries.get(path)?.content;
        return content?.kind === 'route' && !takesRoutes ? undefined : content;
      })
      .findLast((content) => content !== undefined);
  }

  #reported() {
    this.#report ??= report(this.#sources);
    return this.#report;
  }
}

/** Whether a tree that is read anew has nothing left of what made it one: its frontends, or if it had none, anything. */
function hasLost(before: ReadonlyMap<string, Entry>, now: ReadonlyMap<string, string>): boolean {
  return [...before.keys()].some(isFrontend) ? ![...now.keys()].some(isFrontend) : before.size > 0 && now.size === 0;
}

function isFrontend(path: string): boolean {
  return parseKey(path).kind === 'frontend';
}

function report(sources: readonly SourceTree[]) {
  const problems: Problem[] = [];
  const quarantined: EntryRef[] = [];
  const rejected: EntryRef[] = [];
  for (const { url: source, instead, troubled, rejected: bad, takesRoutes } of sources) {
    if (instead !== undefined) {
      const message =
        'the tree turned up empty of what it published; what was read before stays in force until it publishes again';
      problems.push({ source, key: '', message });
    }
    const shown = [...troubled].filter(([key]) => takesRoutes || !key.startsWith('routes/'));
    for (const [key, { messages, standing }] of shown.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const suffix = standing === 'quarantined' ? '; the last good value stays in force' : '';
      problems.push(...messages.map((message) => ({ source, key, message: message + suffix })));
      if (standing === 'quarantined') {
        quarantined.push({ source, key });
      } else if (bad.has(key)) {
        rejected.push({ source, key });
      }
    }
  }
  return { problems, quarantined, rejected };
}
