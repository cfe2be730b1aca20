import type { Backend, Config, Drains, Frontend, Route } from '@clusterf/model';
import { ConfigTree } from '@clusterf/model';
import type { PlanOptions } from '../src/plan.js';
import { Planner } from '../src/planner.js';

export const OPTIONS: PlanOptions = { method: 'masq', scheduler: 'wlc', elide: false };

export const WEB: Frontend = { ipv4: '10.0.0.1', tcp: 80 };

/** The whole tree planned anew. */
export function plan(config: Config, options: PlanOptions = OPTIONS, syncDaemon = false): Planner {
  const planner = new Planner(options);
  planner.update(config, { services: new Set(config.services.keys()), routes: true }, syncDaemon);
  return planner;
}

/** @param drained `host h1`, `backend web/a`, `balancer lb1` */
export function tree(
  services: Record<string, { frontend?: Frontend; backends?: Record<string, Partial<Backend>> }>,
  routes: Record<string, Partial<Route>> = {},
  drained: readonly string[] = [],
): Config {
  return {
    services: new Map(
      Object.entries(services).map(([name, { frontend, backends = {} }]) => [
        name,
        {
          ...(frontend && { frontend }),
          backends: new Map(Object.entries(backends).map(([b, fields]) => [b, { weight: 10, ...fields }])),
        },
      ]),
    ),
    routes: new Map(Object.entries(routes).map(([name, route]) => [name, { priority: 0, ...route }])),
    drains: drains(drained),
  };
}

function drains(drained: readonly string[]): Drains {
  const of = (kind: string) =>
    new Map(drained.filter((name) => name.startsWith(`${kind} `)).map((name) => [name.slice(kind.length + 1), {}]));
  return { hosts: of('host'), backends: of('backend'), balancers: of('balancer') };
}

/** One service `web` with one backend `a`, in this tree of routes. */
export function one(
  frontend: Frontend,
  fields: Partial<Backend>,
  routes: Record<string, Partial<Route>> = {},
  syncDaemon = false,
): Planner {
  return plan(tree({ web: { frontend, backends: { a: fields } } }, routes), OPTIONS, syncDaemon);
}

/** One service with backends that all end at 172.17.0.2:80. */
export function together(...backends: Partial<Backend>[]): Planner {
  const named = backends.map((fields, i) => [`b${i}`, { ipv4: '172.17.0.2', tcp: 80, ...fields }]);
  return plan(tree({ web: { frontend: WEB, backends: Object.fromEntries(named) } }));
}

/** What entries configure, of which none may be bad. */
export function read(entries: ReadonlyMap<string, string>): Config {
  const sources = new ConfigTree(['memory:']);
  sources.apply(0, { type: 'snapshot', entries });
  if (sources.rejected.length > 0) throw new Error(JSON.stringify(sources.problems));
  return sources.config;
}

/** The plan in the few words a table of expectations needs: `tcp 10.0.0.1:80 wlc` → `172.17.0.2:8080 masq 10`. */
export function said({ desired }: Pick<Planner, 'desired'>): Record<string, string[]> {
  return Object.fromEntries(
    [...desired].map(([key, { service, destinations }]) => [
      `${key} ${service.scheduler}`,
      [...destinations].map(([d, { method, weight }]) => `${d} ${method} ${weight}`),
    ]),
  );
}

/** What is wrong, by key. */
export function wrong({ problems }: Pick<Planner, 'problems'>): string[] {
  return problems.map(({ key, message }) => `${key}: ${message}`);
}

/** All destinations, of all virtual services. */
export function allDestinations({ desired }: Pick<Planner, 'desired'>) {
  return [...desired.values()].flatMap((entry) => [...entry.destinations.values()]);
}
