export interface InspectionsOptions {
  /** Never rejects: what to do about a failure is the caller's affair. */
  readonly inspect: (id: string) => Promise<void>;
  /** Most inspects under way at once. */
  readonly parallel: number;
}

/**
 * Inspects on request, each container once however many ask.
 *
 * INVARIANTS
 * - An inspect that serves a request starts after the request: its answer is no older than what caused it.
 * - One container is never inspected twice at the same time, so its answers arrive in order.
 * - At most `parallel` inspects are under way, in the order they were first asked for.
 */
export class Inspections {
  readonly #options: InspectionsOptions;
  /** Whom to tell when the inspect is done, by container; in the order of asking. */
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #running = new Set<string>();

  constructor(options: InspectionsOptions) {
    this.#options = options;
  }

  /** Resolves when the inspect is done, well or ill. */
  request(id: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]);
      this.#start();
    });
  }

  #start(): void {
    for (const [id, waiting] of this.#waiting) {
      if (this.#running.size >= this.#options.parallel) return;
      if (this.#running.has(id)) continue;
      this.#waiting.delete(id);
      this.#running.add(id);
      void this.#options.inspect(id).finally(() => {
        this.#running.delete(id);
        for (const done of waiting) done();
        this.#start();
      });
    }
  }
}
