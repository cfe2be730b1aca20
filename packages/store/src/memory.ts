import { Queue } from './queue.js';
import type { PublishOptions, Registrations, RegistrationsState } from './registrations.js';
import type { Source, SourceEvent } from './source.js';

/**
 * A tree in memory, source and sink in one: for tests, and for one machine without etcd. Every call of
 * {@link transaction} is one event at every reader.
 */
export class MemoryTree implements Source {
  readonly url: string;
  readonly #entries: Map<string, string>;
  readonly #readers = new Set<Queue<SourceEvent>>();

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
    if (effective.size === 0) {
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
      reader.push({ type: 'changes', changes: effective });
    }
  }

  /** Tells every reader that contact is lost, then gives them a snapshot, as after an outage. */
  interrupt(error: Error): void {
    for (const reader of this.#readers) {
      reader.push({ type: 'unavailable', error });
      reader.push({ type: 'snapshot', entries: new Map(this.#entries) });
    }
  }

  async *events(signal: AbortSignal): AsyncGenerator<SourceEvent> {
    const reader = new Queue<SourceEvent>();
    const end = () => reader.fail(new Error('aborted'));
    reader.push({ type: 'snapshot', entries: new Map(this.#entries) });
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
}

/**
 * Registrations in a tree in memory: written as soon as they are published, and gone when the process is. Nobody
 * else registers there, so there is no claim to hold, and a shared key is ours unless it is there already.
 */
export function memoryRegistrations(tree: MemoryTree): Registrations {
  let written: ReadonlyMap<string, string> = new Map();
  let held: ReadonlyMap<string, string> = new Map();
  let desired: ReadonlyMap<string, string> = new Map();
  const { signal: refusal } = new AbortController();

  function publish(entries: ReadonlyMap<string, string>, { shared = new Map() }: PublishOptions = {}): void {
    const isForeign = (path: string) => tree.entries.has(path) && !written.has(path);
    held = new Map([...shared.keys()].filter(isForeign).map((path) => [path, tree.entries.get(path) ?? '']));
    const wanted = new Map([...entries, ...[...shared].filter(([path]) => !held.has(path))]);
    const gone = [...written.keys()].filter((path) => !wanted.has(path)).map((path) => [path, undefined] as const);
    tree.transaction(new Map<string, string | undefined>([...gone, ...wanted]));
    written = wanted;
    desired = new Map(entries);
  }

  return {
    publish,
    describe() {},
    refusal,
    async settled() {},
    async flush() {
      publish(new Map());
    },
    async close() {},
    get state(): RegistrationsState {
      return { written, held, desired, settled: true };
    },
  };
}
