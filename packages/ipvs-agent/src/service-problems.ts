import type { Problem } from '@clusterf/model';

/** What is wrong with one service or left out of it, each thing once: its virtual services find the same. */
export class ServiceProblems {
  readonly #service: string;
  readonly #problems = new Map<string, Problem>();
  /** The backends that each route leaves out. */
  readonly #leftOut = new Map<string, Set<string>>();

  constructor(service: string) {
    this.#service = service;
  }

  ofFrontend(message: string): void {
    this.#add(`services/${this.#service}/frontend`, message);
  }

  ofBackend(backend: string, message: string): void {
    this.#add(`services/${this.#service}/backends/${backend}`, message);
  }

  /** A route without a method leaves a backend out: usually many, and meant so; they are counted. */
  leftOut(route: string, backend: string): void {
    const backends = this.#leftOut.get(route) ?? new Set();
    this.#leftOut.set(route, backends.add(backend));
  }

  list(): readonly Problem[] {
    for (const [route, { size }] of this.#leftOut)
      this.ofFrontend(`route ${route} has no IPVSMethod: backends left out: ${size}`);
    return [...this.#problems.values()];
  }

  #add(key: string, message: string): void {
    this.#problems.set(`${key}\n${message}`, { source: 'plan', key, message });
  }
}
