import { type Desired, Planner, type PlanOptions } from '@clusterf/ipvs-agent';
import { ConfigTree } from '@clusterf/model';
import type { Source } from '@clusterf/store';

/** What trees call the things in a kernel's table, followed for as long as the signal lets it. */
export class FollowedNames {
  readonly #tree: ConfigTree;
  readonly #planner: Planner;
  readonly #complaints = new Map<string, string>();
  #known: () => void = () => {};
  /** Resolves when every tree has been read, or has turned out not to be readable now. */
  readonly known: Promise<void>;

  constructor(sources: readonly Source[], filterRoutes: string | undefined, options: PlanOptions, signal: AbortSignal) {
    this.#tree = new ConfigTree(
      sources.map(({ url }) => url),
      { filterRoutes },
    );
    this.#planner = new Planner(options);
    this.known = new Promise((resolve) => {
      this.#known = resolve;
    });
    signal.addEventListener('abort', () => this.#known());
    for (const [index, source] of sources.entries()) void this.#follow(source, index, signal);
  }

  get now(): Desired {
    return this.#planner.desired;
  }

  /** The container that a backend is, if the tree says. */
  container(service: string, backend: string): string | undefined {
    return this.#tree.config.services.get(service)?.backends.get(backend)?.container;
  }

  /** Why names may be missing or old. */
  get complaints(): readonly string[] {
    return [...this.#complaints.values()];
  }

  async #follow(source: Source, index: number, signal: AbortSignal): Promise<void> {
    for await (const event of source.events(signal)) {
      if (event.type === 'unavailable') {
        this.#complaints.set(source.url, `no names: ${event.error.message}`);
        this.#known();
        continue;
      }
      this.#complaints.delete(source.url);
      const change = this.#tree.apply(index, event);
      this.#planner.update(this.#tree.config, change);
      if (this.#tree.complete) this.#known();
    }
  }
}
