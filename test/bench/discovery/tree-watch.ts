/** The tree as a bare watch sees it, and when. */
import { EventEmitter, once } from 'node:events';
import type { Etcd3, Watcher } from 'etcd3';
import { PREFIX } from '../etcd-tree.js';

/** Milliseconds that anything may take: ten times what is expected. */
const DEADLINE = 60_000;

export interface TreeChange {
  /** Relative to the prefix. */
  readonly path: string;
  /** Undefined = removed. */
  readonly value: string | undefined;
  /** By `performance.now()`. */
  readonly at: number;
}

export class TreeWatch implements AsyncDisposable {
  /** All entries of services, by path relative to the prefix. */
  readonly entries = new Map<string, string>();
  /** When it last changed, by `performance.now()`. */
  changedAt = 0;
  readonly #watcher: Watcher;
  readonly #changes = new EventEmitter<{ change: [TreeChange] }>();

  private constructor(watcher: Watcher) {
    this.#watcher = watcher;
    this.#changes.setMaxListeners(0);
    watcher.on('data', ({ events }) => {
      const at = performance.now();
      for (const { type, kv } of events) {
        const path = kv.key.toString().slice(PREFIX.length + 1);
        const value = type === 'Put' ? kv.value.toString() : undefined;
        if (value === undefined) this.entries.delete(path);
        else this.entries.set(path, value);
        this.changedAt = at;
        this.#changes.emit('change', { path, value, at });
      }
    });
  }

  static async start(client: Etcd3): Promise<TreeWatch> {
    return new TreeWatch(await client.watch().prefix(`${PREFIX}/services/`).create());
  }

  onChange(listener: (change: TreeChange) => void): void {
    this.#changes.on('change', listener);
  }

  /** Waits until the entries are as described. @returns when that change came */
  async until(what: string, holds: (entries: ReadonlyMap<string, string>) => boolean): Promise<number> {
    const signal = AbortSignal.timeout(DEADLINE);
    while (!holds(this.entries)) {
      try {
        await once(this.#changes, 'change', { signal });
      } catch (cause) {
        throw new Error(`waited in vain until ${what}; there are ${this.entries.size} entries`, { cause });
      }
    }
    return this.changedAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher.cancel();
  }
}
