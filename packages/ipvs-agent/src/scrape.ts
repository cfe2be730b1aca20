import { type Clock, toError } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import { type CounterKernel, counterLines, type CounterTable, readCounters } from './counters.js';
import type { AgentMetrics } from './metrics.js';
import type { Desired } from './plan.js';

/** A client of the kernel that nobody else uses. */
export interface ScrapeKernel extends CounterKernel {
  close(): void;
}

export interface ScraperOptions {
  readonly metrics: AgentMetrics;
  /** Opens a client for the counters: requests of one client wait for each other, and the agent's are to wait for none. */
  readonly open: () => Promise<ScrapeKernel>;
  /** What the tree calls things, now. */
  readonly names: () => Desired;
  readonly clock: Clock;
  /** Told all that is wrong with reading the counters, each time that changes. */
  readonly onProblems: (problems: readonly Problem[]) => void;
}

/** Milliseconds for which counters are good enough for another scrape. */
const FRESH = 1_000;

/**
 * What Prometheus reads of a balancer.
 *
 * INVARIANTS
 * - However many scrape, the kernel is read by one at a time, and not again before a second has passed.
 * - A kernel that cannot be read costs its counters, never the rest of the scrape.
 */
export class Scraper {
  readonly #options: ScraperOptions;
  #kernel: ScrapeKernel | undefined;
  /** Under way, or done within the last second; undefined within = could not be read. */
  #counters: Promise<CounterTable | undefined> | undefined;
  #forget: () => void = () => {};
  #problem: string | undefined;
  #closed = false;

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /** The text of one scrape, made as it is read. */
  async scrape(): Promise<Iterable<string>> {
    const { metrics } = this.#options;
    this.#counters ??= this.#read();
    const counters = await this.#counters;
    metrics.countersRead(counters !== undefined);
    return text(await metrics.text(), counters);
  }

  /** Scrapes under way end without counters. */
  close(): void {
    this.#closed = true;
    this.#forget();
    this.#drop();
  }

  async #read(): Promise<CounterTable | undefined> {
    const { open, names, clock } = this.#options;
    try {
      this.#kernel ??= await open();
      const table = await readCounters(this.#kernel, names());
      this.#tell(undefined);
      return table;
    } catch (error) {
      this.#drop();
      this.#tell(`the counters cannot be read: ${toError(error).message}`);
      return undefined;
    } finally {
      // Not kept for longer: of a large table it is tens of megabytes.
      const forget = () => {
        this.#counters = undefined;
      };
      if (!this.#closed) this.#forget = clock.after(FRESH, forget);
    }
  }

  /** The next read opens another: IPVS may have been unloaded and loaded again since. */
  #drop(): void {
    this.#kernel?.close();
    this.#kernel = undefined;
  }

  #tell(message: string | undefined): void {
    if (this.#closed || message === this.#problem) return;
    this.#problem = message;
    this.#options.onProblems(message === undefined ? [] : [{ source: 'kernel', key: '', message }]);
  }
}

function* text(metrics: string, counters: CounterTable | undefined): Iterable<string> {
  yield metrics;
  if (counters) yield* counterLines(counters);
}
