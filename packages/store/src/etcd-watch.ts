import type { IWatchResponse, KVClient } from 'etcd3';
import type { EtcdConnection } from './etcd-connection.js';
import type { KeyRange, Tree } from './etcd-tree.js';
import { Queue } from './queue.js';

export type Changes = ReadonlyMap<string, string | undefined>;

/**
 * Follows a tree from where it was read. Ends only by throwing: for a cancelled watch (a compaction has no other
 * sign), a broken stream, a revision that went back, or a watch that has fallen silent.
 *
 * @param watchdog milliseconds between looks at whether the watch still tells everything; one that does not is
 *   found after two of them
 * @param onAlive the watch has proved that it works
 */
export async function* watchTree(
  { kv, watch }: EtcdConnection,
  range: KeyRange,
  tree: Tree,
  watchdog: number,
  onAlive: () => void,
): AsyncGenerator<Changes> {
  const responses = new Queue<IWatchResponse>();
  const stream = await watch.watch();
  stream.on('data', (response) => responses.push(response));
  stream.on('error', (error) => responses.fail(error));
  stream.on('end', () => responses.fail(new Error('the watch ended')));
  stream.write({
    create_request: { key: range.key, range_end: range.range_end, start_revision: tree.revision + 1 },
  });

  const seen = new Seen(tree);
  let checking = false;
  async function check(): Promise<void> {
    checking = true;
    try {
      if (await seen.check(kv, range)) {
        onAlive();
      }
    } catch (error) {
      responses.fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      checking = false;
    }
  }
  const timer = setInterval(() => {
    if (!checking) {
      void check();
    }
  }, watchdog);
  try {
    for (;;) {
      for (const response of await responses.take()) {
        if (response.canceled) {
          throw new Error(`the watch was cancelled: ${reason(response)}`);
        }
        seen.add(response);
        if (response.events.length > 0) {
          onAlive();
          yield changesOf(response, range);
        }
      }
    }
  } finally {
    clearInterval(timer);
  }
}

/** etcd says nothing of a compaction but the revision up to which all is gone. */
function reason({ cancel_reason: text, compact_revision: compacted }: IWatchResponse): string {
  return text || (Number(compacted) > 0 ? `compacted up to revision ${compacted}` : 'no reason given');
}

/** A response holds whole transactions: we never ask for fragments. Within it, the later event wins. */
function changesOf({ events }: IWatchResponse, range: KeyRange): Changes {
  const changes = new Map<string, string | undefined>();
  for (const { type, kv } of events) {
    const path = range.path(kv.key);
    if (path !== undefined) {
      changes.set(path, type === 'Delete' ? undefined : kv.value.toString());
    }
  }
  return changes;
}

/**
 * What a watch has told so far, to hold against what etcd says when asked. A watch may hang though its connection
 * is well: then keys are newer than anything it told, or their number differs (a deletion leaves nothing newer).
 */
class Seen {
  #count: number;
  #revision: number;
  #responses = 0;
  #created = false;
  /** How many responses there were when the watch was last found behind. */
  #behindAt: number | undefined;

  constructor({ count, revision }: Tree) {
    this.#count = count;
    this.#revision = revision;
  }

  add({ created, events }: IWatchResponse): void {
    this.#responses++;
    this.#created ||= created;
    for (const { type, kv } of events) {
      // Not the header's revision: while a watch catches up, that is ahead of what was told.
      this.#revision = Math.max(this.#revision, Number(kv.mod_revision));
      if (type === 'Delete') {
        this.#count--;
      } else if (kv.create_revision === kv.mod_revision) {
        this.#count++;
      }
    }
  }

  /**
   * One cheap read: the count, and at most one key that is newer than what was told.
   *
   * @returns whether the watch has told everything
   * @throws {Error} if the watch is behind for the second time in a row without a word in between, or for good
   */
  async check(kv: KVClient, { key, range_end }: KeyRange): Promise<boolean> {
    const now = await kv.range({
      key,
      range_end,
      limit: 1,
      keys_only: true,
      min_mod_revision: this.#revision + 1,
    });
    if (Number(now.header.revision) < this.#revision) {
      throw new Error(`the revision went back from ${this.#revision} to ${now.header.revision}`);
    }
    const behind = !this.#created || now.kvs.length > 0 || Number(now.count) !== this.#count;
    if (behind && this.#behindAt === this.#responses) {
      throw new Error(`the watch is silent since revision ${this.#revision}; etcd is at ${now.header.revision}`);
    }
    this.#behindAt = behind ? this.#responses : undefined;
    return !behind;
  }
}
