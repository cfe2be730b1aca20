import type { Logger } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';

/** Logs a problem when it appears and when it is gone, not at every pass between. */
export class ProblemLog {
  readonly #log: Logger;
  #current: ReadonlyMap<string, Problem> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  report(problems: readonly Problem[]): void {
    const next = new Map(problems.map((problem) => [`${problem.source} ${problem.key} ${problem.message}`, problem]));
    for (const [id, problem] of next) if (!this.#current.has(id)) this.#log.warn('problem', { ...problem });
    for (const [id, problem] of this.#current) if (!next.has(id)) this.#log.info('problem solved', { ...problem });
    this.#current = next;
  }
}
