import { Queue } from './queue.js';
import type { Source, SourceEvent } from './source.js';

/**
 * A tree in memory, source and sink in one: for tests, and for one machine without etcd. Every call of
 * {@link transaction} is one event at every reader.
 *
 * INVARIANT: of a tree that is {@link unread} no reader is told anything before the first transaction, be it an empty one:
 * that nothing is known is not that there is nothing.
 */
export class MemoryTree implements Source {
  readonly url: string;
  readonly #entries: Map<string, string>;
  readonly #readers = new Set<Queue<SourceEvent>>();
  #known = true;

  /** A tree of which nothing is known until its first transaction. */
  static unread(url = 'memory:'): MemoryTree {
    const tree = new MemoryTree([], url);
    tree.#known = false;
    return tree;
  }

  constructor(entries: Iterable<readonly [string, string]> = [], url = 'memory:') {
    this.#entries = new Map(entries);
    this.url = url;
  }

  get entries(): ReadonlyMap<string, string> {
    return this.#entries;
  }

  set(path: string, value: string): void {
    this.transaction(new Map([[path, value]]));
  }

  delete(path: string): void {
    this.transaction(new Map([[path, undefined]]));
  }

  /** Puts and, where the value is undefined, deletes; what is so already is no change. */
  transaction(changes: ReadonlyMap<string, string | undefined>): void {
    const effective = new Map([...changes].filter(([path, value]) => this.#entries.get(path) !== value));
    const first = !this.#known;
    this.#known = true;
    if (effective.size === 0 && !first) {
      return;
    }
    for (const [path, value] of effective) {
      if (value === undefined) {
        this.#entries.delete(path);
      } else {
        this.#entries.set(path, value);
      }
    }
    for (const reader of this.#readers) {
      reader.push(first ? this.#snapshot() : { type: 'changes', changes: effective });
    }
  }

  /** Tells every reader that contact is lost, then gives them a snapshot, as after an outage. */
  interrupt(error: Error): void {
    for (const reader of this.#readers) {
      reader.push({ type: 'unavailable', error });
      reader.push(this.#snapshot());
    }
  }

  async *events(signal: AbortSignal): AsyncGenerator<SourceEvent> {
    const reader = new Queue<SourceEvent>();
    const end = () => reader.fail(new Error('aborted'));
    if (this.#known) {
      reader.push(this.#snapshot());
    }
    this.#readers.add(reader);
    signal.addEventListener('abort', end);
    try {
      while (!signal.aborted) {
        yield* await reader.take();
      }
    } catch (error) {
      if (!signal.aborted) {
        throw error;
      }
    } finally {
      signal.removeEventListener('abort', end);
      this.#readers.delete(reader);
    }
  }

  #snapshot(): SourceEvent {
    return { type: 'snapshot', entries: new Map(this.#entries) };
  }
}
