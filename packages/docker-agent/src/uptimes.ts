import type { ContainerState } from './container.js';

type Started = Pick<ContainerState, 'id' | 'startedAt'>;

interface Uptime {
  readonly startedAt: number;
  /** Our own clock's time at which it has run for long enough. */
  readonly grownUpAt: number;
}

/**
 * Which containers have run for `--min-uptime` since their last start. Docker's clock says how long one has run when it
 * is first seen, and our own, which never jumps, counts the rest: once it has run for long enough, that stays so.
 */
export class Uptimes {
  readonly #minimum: number;
  readonly #uptimes = new Map<string, Uptime>();

  /** @param minimum milliseconds */
  constructor(minimum: number) {
    this.#minimum = minimum;
  }

  /**
   * Counts from here, unless this start of the container is counted already.
   *
   * @param dockerNow Docker's time, now
   * @param now our own
   */
  record({ id, startedAt }: Started, dockerNow: number, now: number): void {
    if (this.#uptimes.get(id)?.startedAt === startedAt) return;
    const missing = Math.min(this.#minimum, Math.max(0, this.#minimum - (dockerNow - startedAt)));
    this.#uptimes.set(id, { startedAt, grownUpAt: now + missing });
  }

  forget(id: string): void {
    this.#uptimes.delete(id);
  }

  isGrownUp({ id }: Started, now: number): boolean {
    return (this.#uptimes.get(id)?.grownUpAt ?? now) <= now;
  }

  /** Milliseconds until the next one has run for long enough; undefined if all have. */
  untilNext(now: number): number | undefined {
    if (this.#minimum === 0) return undefined;
    const waits = [...this.#uptimes.values()].map(({ grownUpAt }) => grownUpAt - now).filter((wait) => wait > 0);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }
}
