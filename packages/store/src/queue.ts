/** What a stream delivers, to be taken by one taker; a failure is taken after everything that came before it. */
export class Queue<T> {
  #items: T[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** The first failure counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /**
   * Everything that has arrived, at least one.
   *
   * @throws what {@link fail} was given
   */
  async take(): Promise<readonly T[]> {
    while (this.#items.length === 0) {
      if (this.#failure !== undefined) {
        throw this.#failure;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#items;
    this.#items = [];
    return taken;
  }
}
