import { virtualServiceKey } from '@clusterf/ipvs';
import { type Config, Digest, type Problem, type Route, type Service } from '@clusterf/model';
import { type Desired, type PlannedEntry, type PlanOptions, planService, type ServicePlan } from './plan.js';
import { wordsOf } from './planned-words.js';
import { changedPrefixes, type RouteTable, routeTable } from './routes.js';

/** What an event changed in the tree, as far as plans go. */
export interface TreeChange {
  /** Services whose frontend, backends or drains of single backends differ now, gone ones included. */
  readonly services: ReadonlySet<string>;
  readonly routes: boolean;
  /** Docker hosts that are drained now, or no longer; absent = none. */
  readonly hosts?: ReadonlySet<string>;
}

const NO_HOSTS: ReadonlySet<string> = new Set();

/** A service that asks for a virtual service. */
interface Claim {
  readonly name: string;
  readonly entry: PlannedEntry;
}

/**
 * Keeps what the kernel should hold up to date with the tree, at the cost of what changed and not of the tree's size:
 * a changed backend replans its service, a changed route the services with a backend under its prefix, a drained host
 * those with a backend of its.
 *
 * Two services may ask for one virtual service: the smaller name has it, whatever came first.
 */
export class Planner {
  readonly #options: PlanOptions;
  readonly #services = new Map<string, ServicePlan>();
  /** Who asks for a virtual service, by `virtualServiceKey`, smallest name first. */
  readonly #claims = new Map<string, readonly Claim[]>();
  readonly #desired = new Map<string, PlannedEntry>();
  readonly #digest = new Digest();
  /** By service, only where there are any. */
  readonly #problems = new Map<string, readonly Problem[]>();
  /** By virtual service. */
  readonly #conflicts = new Map<string, readonly Problem[]>();
  #allProblems: readonly Problem[] | undefined;
  #routes: ReadonlyMap<string, Route> = new Map();
  #routeTable: RouteTable = routeTable(this.#routes);
  #syncDaemon = false;

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  /** What the kernel should hold: a live view. */
  get desired(): Desired {
    return this.#desired;
  }

  /** A short word for it, by which balancers that want the same table know each other. */
  get digest(): string {
    return String(this.#digest);
  }

  /** What is wrong or left out, and why; the same array until that changes. */
  get problems(): readonly Problem[] {
    this.#allProblems ??= [...this.#problems, ...this.#conflicts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, problems]) => problems);
    return this.#allProblems;
  }

  /**
   * Takes in what changed in the tree since the last call; a service the planner has never seen is a change too.
   *
   * @param syncDaemon whether a sync daemon runs here: the kernel then takes no destinations of another family
   * @returns the keys of the virtual services that may differ from before
   */
  update(config: Config, { services, routes, hosts = NO_HOSTS }: TreeChange, syncDaemon = false): ReadonlySet<string> {
    const replan = new Set(services);
    if (routes) this.#touchedByRoutes(config, replan);
    if (hosts.size > 0)
      for (const [name, service] of config.services) if (hasBackendOf(hosts, service)) replan.add(name);
    if (syncDaemon !== this.#syncDaemon) for (const name of config.services.keys()) replan.add(name);
    this.#syncDaemon = syncDaemon;

    const keys = new Set<string>();
    for (const name of replan) this.#replan(name, config, keys);
    for (const key of keys) this.#settle(key);
    if (replan.size > 0) this.#allProblems = undefined;
    return keys;
  }

  #touchedByRoutes(config: Config, replan: Set<string>): void {
    const changed = changedPrefixes(this.#routes, config.routes);
    if (changed === undefined) return;
    this.#routes = new Map(config.routes);
    this.#routeTable = routeTable(this.#routes);
    for (const [name, service] of config.services) if (changed.touches(service)) replan.add(name);
  }

  /** Plans one service and puts its claims in the place of its former ones. */
  #replan(name: string, config: Config, keys: Set<string>): void {
    const service = config.services.get(name);
    const before = this.#services.get(name);
    const circumstances = { routes: this.#routeTable, drains: config.drains };
    const now =
      service && planService(name, service, circumstances, { ...this.#options, syncDaemon: this.#syncDaemon });
    for (const { service: virtual } of before?.entries ?? []) {
      const key = virtualServiceKey(virtual.id);
      const others = (this.#claims.get(key) ?? []).filter((claim) => claim.name !== name);
      if (others.length === 0) this.#claims.delete(key);
      else this.#claims.set(key, others);
      keys.add(key);
    }
    for (const entry of now?.entries ?? []) {
      const key = virtualServiceKey(entry.service.id);
      const claims = [...(this.#claims.get(key) ?? []), { name, entry }];
      this.#claims.set(
        key,
        claims.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      );
      keys.add(key);
    }
    if (now === undefined) this.#services.delete(name);
    else this.#services.set(name, now);
    if (now === undefined || now.problems.length === 0) this.#problems.delete(name);
    else this.#problems.set(name, now.problems);
  }

  /** Gives a virtual service to who has the smallest name of those that ask for it. */
  #settle(key: string): void {
    const [holder, ...others] = this.#claims.get(key) ?? [];
    const before = this.#desired.get(key);
    if (before !== undefined) for (const words of wordsOf(key, before)) this.#digest.remove(words);
    if (holder !== undefined) for (const words of wordsOf(key, holder.entry)) this.#digest.add(words);
    if (holder === undefined) this.#desired.delete(key);
    else this.#desired.set(key, holder.entry);
    if (holder === undefined || others.length === 0) {
      this.#conflicts.delete(key);
      return;
    }
    this.#conflicts.set(
      key,
      others.map(({ name }) => ({
        source: 'plan',
        key: `services/${name}/frontend`,
        message: `${key} is already service ${holder.name}'s: not published`,
      })),
    );
  }
}

function hasBackendOf(hosts: ReadonlySet<string>, { backends }: Service): boolean {
  for (const { host } of backends.values()) if (host !== undefined && hosts.has(host)) return true;
  return false;
}
