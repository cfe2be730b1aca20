import { Backoff, DEFAULT_BACKOFF, type BackoffOptions } from './backoff.js';
import type { Clock } from './clock.js';
import { toError } from './errors.js';

/** Why a pass runs. `resync` and `retry` are the moments to look at the whole world anew. */
export type PassReason = 'trigger' | 'resync' | 'retry';

export interface ReconcileOptions {
  /** Brings the world to the desired state; rejects if it could not. Never called while a call is under way. */
  readonly pass: (reason: PassReason) => Promise<void>;
  /** Milliseconds from one resync to the next; 0 = none. */
  readonly resync: number;
  /**
   * Told of every failed pass and the milliseconds until it is retried. What it throws ends the loop: this is
   * where an agent lets a bug through, so that the process exits while the kernel keeps forwarding.
   */
  readonly onFailure: (error: Error, retryIn: number) => void;
  readonly clock: Clock;
  readonly backoff?: BackoffOptions;
}

/**
 * Runs passes, one at a time, for as long as there is reason to.
 *
 * INVARIANTS
 * - No pass runs before the first `trigger()` or `resync()`: an agent triggers when every source has been read once.
 * - A trigger is never lost: what arrives during a pass causes one more pass after it, however many arrived.
 * - A failed pass is retried with backoff, reset by the next success. A trigger does not wait for the retry:
 *   news may be the cure, and passes are still one at a time.
 * - Triggers, however many, do not put off the resync.
 * - Aborting lets the pass in flight finish; then `run` resolves and no timer is left.
 */
export class ReconcileLoop {
  readonly #options: ReconcileOptions;
  readonly #backoff: Backoff;
  #due: PassReason | undefined;
  #wake: () => void = () => {};
  #cancelResync: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff ?? DEFAULT_BACKOFF);
  }

  /** Something may have changed: run a pass soon. Cheap; call it for every event. */
  trigger(): void {
    this.#schedule('trigger');
  }

  /** Somebody wants a fresh look at the whole world now, not only at the next time for it. */
  resync(): void {
    this.#schedule('resync');
  }

  /**
   * @returns when the signal has aborted and the pass in flight, if any, has ended
   * @throws what `onFailure` throws
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      for (;;) {
        const reason = await this.#next(signal);
        if (reason === undefined) return;
        await this.#pass(reason);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#cancelResync?.();
      this.#cancelRetry?.();
    }
  }

  async #next(signal: AbortSignal): Promise<PassReason | undefined> {
    while (!signal.aborted) {
      const reason = this.#due;
      if (reason !== undefined) return reason;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return undefined;
  }

  async #pass(reason: PassReason): Promise<void> {
    // Cleared before the pass reads anything: whatever arrives from here on is news to it.
    this.#due = undefined;
    this.#cancelRetry?.();
    this.#armResync(reason);
    try {
      await this.#options.pass(reason);
      this.#backoff.reset();
    } catch (thrown) {
      const retryIn = this.#backoff.next();
      this.#options.onFailure(toError(thrown), retryIn);
      this.#cancelRetry = this.#options.clock.after(retryIn, () => this.#schedule('retry'));
    }
  }

  #armResync(reason: PassReason): void {
    if (this.#options.resync === 0) return;
    if (this.#cancelResync !== undefined && reason !== 'resync') return;
    this.#cancelResync = this.#options.clock.after(this.#options.resync, () => this.#schedule('resync'));
  }

  /** The more thorough reason wins where several fall together. */
  #schedule(reason: PassReason): void {
    if (this.#due === undefined || this.#due === 'trigger') this.#due = reason;
    this.#wake();
  }
}
