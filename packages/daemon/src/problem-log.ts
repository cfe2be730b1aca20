import type { Logger } from './logger.js';

/** Bad input as the agents report it; what @clusterf/model calls a Problem. */
export interface Problem {
  readonly source: string;
  readonly key: string;
  readonly message: string;
}

const LONGEST = 500;

/**
 * Says each problem once when it appears and once when it is gone, however many passes find it. One that is told of in
 * other words now is not solved.
 */
export class ProblemLog {
  readonly #log: Logger;
  #known: ReadonlyMap<string, Problem> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param problems all there are now */
  update(problems: readonly Problem[]): void {
    const now = new Map(problems.map((problem) => [`${place(problem)}\n${problem.message}`, problem]));
    const replaced = new Set<string>();
    for (const [id, problem] of now) {
      if (this.#known.has(id)) continue;
      this.#log.warn(`problem: ${text(problem)}`, where(problem));
      replaced.add(place(problem));
    }
    for (const [id, problem] of this.#known)
      if (!now.has(id) && !replaced.has(place(problem)))
        this.#log.info(`problem solved: ${text(problem)}`, where(problem));
    this.#known = now;
  }
}

function place({ source, key }: Problem): string {
  return `${source}\n${key}`;
}

function where({ source, key }: Problem): { readonly source: string; readonly key: string } {
  return { source, key: cut(key) };
}

/** A problem of a whole source has no key. */
function text({ key, message }: Problem): string {
  return cut(key === '' ? message : `${cut(key)}: ${message}`);
}

function cut(words: string): string {
  return words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words;
}
