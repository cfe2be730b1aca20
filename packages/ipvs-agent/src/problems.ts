import type { Logger } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';

/** Says each problem once when it appears and once when it is gone, however often it is found. */
export class ProblemLog {
  readonly #log: Logger;
  #known: ReadonlyMap<string, Problem> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** All problems there are now. */
  update(problems: readonly Problem[]): void {
    const now = new Map(problems.map((problem) => [`${problem.source}\n${problem.key}\n${problem.message}`, problem]));
    for (const [id, { source, key, message }] of now)
      if (!this.#known.has(id)) this.#log.warn(`problem: ${key}: ${message}`, { source, key });
    for (const [id, { source, key, message }] of this.#known)
      if (!now.has(id)) this.#log.info(`problem solved: ${key}: ${message}`, { source, key });
    this.#known = now;
  }
}
