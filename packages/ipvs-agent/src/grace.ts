import type { Diff } from './diff.js';

/**
 * Lets a virtual service go only when it has been asked for for a moment without a break. A frontend that containers'
 * labels ask for is its host's key; when that host leaves, another puts the key again a round trip later, and neither
 * connections nor the virtual address are to be lost for that.
 */
export class Grace {
  /** Milliseconds. */
  readonly #length: number;
  /** By virtual service, since when it is to go. */
  readonly #since = new Map<string, number>();

  constructor(length: number) {
    this.#length = length;
  }

  /** Virtual services that wait. */
  get keys(): Iterable<string> {
    return this.#since.keys();
  }

  /** When the next one may go, undefined if none waits. */
  get next(): number | undefined {
    let next: number | undefined;
    for (const since of this.#since.values()) next = Math.min(since + this.#length, next ?? Number.POSITIVE_INFINITY);
    return next;
  }

  /**
   * @param keys the virtual services that the diff is of: one that it does not remove is not to go any more
   * @param now milliseconds of a clock that never runs backwards
   */
  filter({ make, remove }: Diff, keys: Iterable<string>, now: number): Diff {
    const going = new Set(remove.flatMap(({ command, key }) => (command === 'delService' ? [key] : [])));
    for (const key of keys) if (!going.has(key)) this.#since.delete(key);
    const due = remove.filter(({ command, key }) => {
      if (command !== 'delService' || this.#length === 0) return true;
      const since = this.#since.get(key) ?? now;
      this.#since.set(key, since);
      return now >= since + this.#length;
    });
    return { make, remove: due };
  }

  /** The kernel has removed it. */
  acknowledge(key: string): void {
    this.#since.delete(key);
  }
}
