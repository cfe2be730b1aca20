import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  /** Milliseconds before the first repetition; default 100. */
  readonly first?: number | undefined;
  /** Milliseconds at most; default 5000. */
  readonly most?: number | undefined;
  /** 0 up to 1; default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** How long to wait before trying again: doubling, half of it chance, so that agents do not come back in step. */
export class Backoff {
  readonly #first: number;
  readonly #most: number;
  readonly #random: () => number;
  #failures = 0;

  constructor({ first = 100, most = 5000, random = Math.random }: BackoffOptions = {}) {
    this.#first = first;
    this.#most = most;
    this.#random = random;
  }

  /** Only for what really succeeded: that a connection was made says little. */
  reset(): void {
    this.#failures = 0;
  }

  /** Milliseconds; counts a failure. */
  next(): number {
    const whole = Math.min(this.#most, this.#first * 2 ** Math.min(this.#failures++, 30));
    return whole * (0.5 + this.#random() / 2);
  }
}

/** Waits, and comes back at once when the signal aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
}
