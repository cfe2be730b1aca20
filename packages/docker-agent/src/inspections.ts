import type { Clock } from '@clusterf/daemon';

export interface InspectionsOptions {
  /** Never rejects: what to do about a failure is the caller's affair. */
  readonly inspect: (id: string) => Promise<void>;
  /** Most inspects under way at once. */
  readonly parallel: number;
  /** Milliseconds from the end of an inspect to the next of the same container. */
  readonly rest: number;
  readonly clock: Clock;
}

/**
 * Inspects on request, each container once however many ask.
 *
 * INVARIANTS
 * - An inspect that serves a request starts after the request: its answer is no older than what caused it.
 * - One container is never inspected twice at the same time, so its answers arrive in order.
 * - The first request is served at once; a thousand events of one container cause no more than some inspects a second.
 * - At most `parallel` inspects are under way, in the order they were first asked for.
 */
export class Inspections {
  readonly #options: InspectionsOptions;
  /** Whom to tell when the inspect is done, by container; in the order of asking. */
  readonly #waiting = new Map<string, (() => void)[]>();
  /** Inspected now or a moment ago. */
  readonly #busy = new Set<string>();
  #underWay = 0;

  constructor(options: InspectionsOptions) {
    this.#options = options;
  }

  /** Resolves when the inspect is done, well or ill. */
  request(id: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) this.#waiting.set(id, [resolve]);
      else waiting.push(resolve);
      this.#start();
    });
  }

  #start(): void {
    for (const [id, waiting] of this.#waiting) {
      if (this.#underWay >= this.#options.parallel) return;
      if (this.#busy.has(id)) continue;
      this.#waiting.delete(id);
      void this.#serve(id, waiting);
    }
  }

  async #serve(id: string, waiting: readonly (() => void)[]): Promise<void> {
    const { inspect, clock, rest } = this.#options;
    this.#busy.add(id);
    this.#underWay += 1;
    try {
      await inspect(id);
    } finally {
      this.#underWay -= 1;
      for (const done of waiting) done();
      this.#start();
    }
    clock.after(rest, () => {
      this.#busy.delete(id);
      this.#start();
    });
  }
}
