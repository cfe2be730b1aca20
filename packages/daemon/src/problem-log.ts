import type { Logger } from './logger.js';

/** Bad input as the agents report it; what @clusterf/model calls a Problem. */
interface Problem {
  readonly source: string;
  readonly key: string;
  readonly message: string;
}

/** Says each problem once when it appears and once when it is gone, however many passes find it. */
export class ProblemLog {
  readonly #log: Logger;
  #known: ReadonlyMap<string, Problem> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param problems all there are now */
  update(problems: readonly Problem[]): void {
    const now = new Map(problems.map((problem) => [`${problem.source}\n${problem.key}\n${problem.message}`, problem]));
    for (const [id, { source, key, message }] of now)
      if (!this.#known.has(id)) this.#log.warn(`problem: ${key}: ${message}`, { source, key });
    for (const [id, { source, key, message }] of this.#known)
      if (!now.has(id)) this.#log.info(`problem solved: ${key}: ${message}`, { source, key });
    this.#known = now;
  }
}
