import { isDeepStrictEqual } from 'node:util';
import type { Source, SourceEvent } from '@clusterf/store';
import { until } from '../../../test/fixtures/until.js';

/** Reads a source for as long as it lives. */
export interface Reader extends AsyncDisposable {
  readonly events: readonly SourceEvent[];
  /** What the events amount to; undefined before the first snapshot. */
  readonly tree: Record<string, string> | undefined;
  /** Waits until the tree is that. */
  sees(expected: Readonly<Record<string, string>>): Promise<void>;
  /** Waits for an event of a type, after the first `skip` events. */
  next<T extends SourceEvent['type']>(type: T, skip?: number): Promise<Extract<SourceEvent, { type: T }>>;
  /** Aborts. @returns milliseconds until the stream ended */
  stop(): Promise<number>;
}

/** @param deadline milliseconds that anything waited for may take */
export function read(source: Source, deadline = 8000): Reader {
  const events: SourceEvent[] = [];
  const abort = new AbortController();
  let tree: Map<string, string> | undefined;

  async function follow(): Promise<void> {
    for await (const event of source.events(abort.signal)) {
      events.push(event);
      if (event.type === 'snapshot') {
        tree = new Map(event.entries);
      } else if (event.type === 'changes') {
        for (const [path, value] of event.changes) {
          if (value === undefined) {
            tree?.delete(path);
          } else {
            tree?.set(path, value);
          }
        }
      }
    }
  }

  const following = follow();
  const reader: Reader = {
    events,
    get tree() {
      return tree && Object.fromEntries(tree);
    },
    async sees(expected) {
      const text = JSON.stringify(expected).slice(0, 200);
      await until(`the tree is ${text}`, () => isDeepStrictEqual(reader.tree, expected), deadline);
    },
    async next<T extends SourceEvent['type']>(type: T, skip = 0) {
      return await until(
        `there is an event ${type}`,
        () => events.slice(skip).find((event): event is Extract<SourceEvent, { type: T }> => event.type === type),
        deadline,
      );
    },
    async stop() {
      const started = performance.now();
      abort.abort();
      await following;
      return performance.now() - started;
    },
    async [Symbol.asyncDispose]() {
      await reader.stop();
    },
  };
  return reader;
}
