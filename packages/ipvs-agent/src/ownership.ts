import * as z from 'zod';
import type { StateFile } from './state-file.js';

/** What is remembered across restarts. */
export const OwnedState = z.object({ version: z.literal(1), virtualServices: z.array(z.string()) });
export type OwnedState = z.infer<typeof OwnedState>;

/**
 * Which virtual services are ours, by `virtualServiceKey`, remembered across restarts: what the tree dropped while
 * the agent was away is still deleted, and what somebody else put into the kernel is not. A state that cannot be read
 * counts as empty, which errs on the side of deleting nothing.
 */
export class Ownership {
  readonly #state: StateFile<OwnedState>;
  readonly #owned: Set<string>;
  #changed = false;

  constructor(state: StateFile<OwnedState>) {
    this.#state = state;
    this.#owned = new Set(state.value.virtualServices);
  }

  has(key: string): boolean {
    return this.#owned.has(key);
  }

  get size(): number {
    return this.#owned.size;
  }

  add(key: string): void {
    if (this.#owned.has(key)) return;
    this.#owned.add(key);
    this.#changed = true;
  }

  delete(key: string): void {
    if (this.#owned.delete(key)) this.#changed = true;
  }

  /** Forgets what neither of these has. */
  retain(...tables: readonly { has(key: string): boolean }[]): void {
    for (const key of this.#owned) if (!tables.some((table) => table.has(key))) this.delete(key);
  }

  /** Writes down what is owned, if that changed or could not be written. */
  async save(): Promise<void> {
    if (!this.#changed && this.#state.saved) return;
    this.#changed = false;
    await this.#state.write({ version: 1, virtualServices: [...this.#owned].toSorted() });
  }
}
