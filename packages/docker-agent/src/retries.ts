import type { Clock } from '@clusterf/daemon';

export interface RetriesOptions {
  readonly clock: Clock;
  /** Milliseconds after the first failure; twice as long after each further one. */
  readonly first: number;
  readonly most: number;
  readonly retry: (id: string) => void;
}

interface Failed {
  readonly times: number;
  readonly cancel: () => void;
}

/** What failed is tried again: each once at a time, however often it fails meanwhile, and less and less often. */
export class Retries {
  readonly #options: RetriesOptions;
  readonly #failed = new Map<string, Failed>();

  constructor(options: RetriesOptions) {
    this.#options = options;
  }

  /** @returns milliseconds until it is tried again */
  failed(id: string): number {
    const { clock, first, most, retry } = this.#options;
    const before = this.#failed.get(id);
    before?.cancel();
    const times = (before?.times ?? 0) + 1;
    const wait = Math.min(first * 2 ** (times - 1), most);
    this.#failed.set(id, { times, cancel: clock.after(wait, () => retry(id)) });
    return wait;
  }

  succeeded(id: string): void {
    this.#failed.get(id)?.cancel();
    this.#failed.delete(id);
  }

  stop(): void {
    for (const { cancel } of this.#failed.values()) cancel();
    this.#failed.clear();
  }
}
