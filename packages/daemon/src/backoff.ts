export interface BackoffOptions {
  /** Milliseconds before the first retry. */
  readonly initial: number;
  /** Milliseconds that no delay exceeds. */
  readonly max: number;
  /** 0 to 1; source of the jitter. */
  readonly random?: () => number;
}

export const DEFAULT_BACKOFF: BackoffOptions = { initial: 250, max: 30_000 };

/** Delays that double from failure to failure, each shortened by up to half so that many agents do not march in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions = DEFAULT_BACKOFF) {
    this.#options = options;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and says how many milliseconds to wait before trying again. */
  next(): number {
    const { initial, max, random = Math.random } = this.#options;
    const full = Math.min(max, initial * 2 ** this.#failures);
    this.#failures += 1;
    return full * (1 - random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
