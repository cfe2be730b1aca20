import type { Clock } from '@clusterf/daemon';

export interface PaceOptions {
  readonly clock: Clock;
  readonly act: () => void;
  /** Of an act that nobody waited for. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds: nobody waits for less, and a thousand changes a second are acted on forty times. */
const SHORTEST_REST = 20;

/**
 * Acts on changes, but no more than half the time: what changes while it rests from the last act, for as long as that
 * took, is acted on together. The first change is acted on at once.
 */
export class Pace {
  readonly #options: PaceOptions;
  #restedAt = -Infinity;
  #cancel: () => void = () => {};

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** @throws whatever acting does, if it is done at once */
  changed(): void {
    const wait = this.#restedAt - this.#options.clock.now();
    if (wait <= 0) this.actNow();
    else this.actIn(wait);
  }

  /** Instead of the act that is due, if any. @throws whatever acting does */
  actNow(): void {
    const { clock, act } = this.#options;
    this.stop();
    const began = clock.now();
    act();
    const ended = clock.now();
    this.#restedAt = ended + Math.max(SHORTEST_REST, ended - began);
  }

  /** After so many milliseconds, instead of the act that is due, if any. */
  actIn(ms: number): void {
    const { clock, onError } = this.#options;
    this.stop();
    this.#cancel = clock.after(ms, () => {
      try {
        this.actNow();
      } catch (error) {
        onError(error);
      }
    });
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
  }
}
