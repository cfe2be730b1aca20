import { Backoff, type BackoffOptions } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { Failure } from './apply.js';

interface Retry {
  readonly backoff: Backoff;
  failures: readonly Failure[];
  /** Not before: milliseconds of the clock. */
  at: number;
}

const BACKOFF: BackoffOptions = { initial: 1000, max: 60_000 };

/**
 * Virtual services of which the kernel refused an operation: each is tried again by itself, with backoff, while all
 * others go on.
 */
export class Retries {
  readonly #options: BackoffOptions;
  readonly #retries = new Map<string, Retry>();
  #problems: readonly Problem[] = [];

  constructor(options: BackoffOptions = BACKOFF) {
    this.#options = options;
  }

  /** What the kernel refused, where a person looks for it; the same array until that changes. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get keys(): Iterable<string> {
    return this.#retries.keys();
  }

  get all(): readonly { readonly key: string; readonly failures: readonly Failure[]; readonly at: number }[] {
    return [...this.#retries].map(([key, { failures, at }]) => ({ key, failures, at }));
  }

  /** When the next one is due, undefined if there is none. */
  get next(): number | undefined {
    let next: number | undefined;
    for (const { at } of this.#retries.values()) next = Math.min(at, next ?? Number.POSITIVE_INFINITY);
    return next;
  }

  /** Whether this virtual service is to be left alone for now. */
  waits(key: string, now: number): boolean {
    const retry = this.#retries.get(key);
    return retry !== undefined && now < retry.at;
  }

  /** What is asked of it has changed, or somebody has a fresh look: that may be the cure, so it waits no longer. */
  hasten(key: string): void {
    const retry = this.#retries.get(key);
    if (retry !== undefined) retry.at = Number.NEGATIVE_INFINITY;
  }

  /**
   * Takes in what came of a pass.
   *
   * @param tried the virtual services it was about
   */
  update(tried: Iterable<string>, failures: readonly Failure[], now: number): void {
    const failed = new Map<string, Failure[]>();
    for (const failure of failures) failed.set(failure.op.key, [...(failed.get(failure.op.key) ?? []), failure]);
    for (const key of tried) if (!failed.has(key)) this.#retries.delete(key);
    for (const [key, its] of failed) {
      const retry = this.#retries.get(key) ?? { backoff: new Backoff(this.#options), failures: its, at: 0 };
      retry.failures = its;
      retry.at = now + retry.backoff.next();
      this.#retries.set(key, retry);
    }
    if (this.#retries.size > 0 || this.#problems.length > 0)
      this.#problems = [...this.#retries.values()].flatMap((retry) => retry.failures.map(problemOf));
  }
}

/** What the kernel refuses is shown at the entry that asked for it. */
function problemOf({ op, error }: Failure): Problem {
  const { key, serviceName, backends } = op;
  const entry = backends === undefined ? 'frontend' : `backends/${backends.join(',')}`;
  return {
    source: 'kernel',
    key: serviceName === undefined ? key : `services/${serviceName}/${entry}`,
    message: error.message,
  };
}
