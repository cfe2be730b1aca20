/** Something may have happened: remembered until it is waited for, however often it is fired before. */
export class Trigger {
  #fired = false;
  #wake: () => void = () => undefined;

  fire(): void {
    this.#fired = true;
    this.#wake();
  }

  /** Comes back when fired, when the time in milliseconds is up, or when the signal aborts. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#fired && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        signal.addEventListener('abort', done);
        this.#wake = done;
      });
    }
    this.#fired = false;
  }
}
