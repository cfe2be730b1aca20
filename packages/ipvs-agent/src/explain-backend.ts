import { type VirtualServiceId, virtualServiceKey } from '@clusterf/ipvs';
import { type Backend, type Config, parseAddress, type Problem } from '@clusterf/model';
import { drainName, drainsOf } from './drained.js';
import { type PlannedDestination, type PlanOptions, planService } from './plan.js';
import { Planner } from './planner.js';
import { type NamedRoute, routeTable } from './routes.js';

/** What becomes of a backend at one virtual service of its service. */
export interface BackendPlace {
  /** `virtualServiceKey` */
  readonly virtualService: string;
  /** Where packets to it go; undefined = nowhere, as `refusal` says. */
  readonly destination: PlacedDestination | undefined;
  readonly refusal: string | undefined;
}

export interface PlacedDestination {
  /** `destinationKey` */
  readonly at: string;
  readonly method: PlannedDestination['method'];
  /** The backend's own, as it counts: 0 while it is drained. */
  readonly weight: number;
  /** The route that leads there. */
  readonly route: string | undefined;
  /** What says that this is the method. */
  readonly methodFrom: 'route' | 'frontend' | 'default';
  /** Other backends that end at the same address and port, and the weight of all together. */
  readonly sharedWith: readonly string[];
  readonly sharedWeight: number;
}

export interface BackendPlan {
  readonly places: readonly BackendPlace[];
  /** What it is drained by, as people read it: `host docker1`. */
  readonly drains: readonly string[];
  /** Of the backend, and of its service's frontend. */
  readonly problems: readonly Problem[];
}

/**
 * What a balancer makes of one backend and why, by the very plan that it makes.
 *
 * @returns undefined if there is no such backend, or its service has no frontend
 */
export function explainBackend(
  serviceName: string,
  name: string,
  config: Config,
  options: PlanOptions,
): BackendPlan | undefined {
  const service = config.services.get(serviceName);
  const backend = service?.backends.get(name);
  if (service?.frontend === undefined || backend === undefined) return undefined;
  const routes = routeTable(config.routes);
  const { drains } = config;
  // Alone, so that what is said is said of this one.
  const alone = { ...service, backends: new Map([[name, backend]]) };
  const { entries, problems } = planService(serviceName, alone, { routes, drains }, { ...options, elide: false });
  const whole = new Planner(options);
  whole.update(config, { services: new Set(config.services.keys()), routes: true, hosts: new Set() });

  const places = entries.map(({ service: { id }, destinations }): BackendPlace => {
    const virtualService = virtualServiceKey(id);
    const taken = whole.desired.get(virtualService);
    const holder = taken?.service.serviceName ?? serviceName;
    const route = routeOf(backend, id, routes);
    const [[at, planned] = []] = destinations;
    if (holder !== serviceName)
      return { virtualService, destination: undefined, refusal: `it is service ${holder}'s, whose name is smaller` };
    if (at === undefined || planned === undefined)
      return { virtualService, destination: undefined, refusal: refusal(backend, id, route, problems, options) };
    const all = taken?.destinations.get(at);
    return {
      virtualService,
      refusal: undefined,
      destination: {
        at,
        method: planned.method,
        weight: planned.weight,
        route: route?.name,
        methodFrom: route !== undefined ? 'route' : service.frontend?.method !== undefined ? 'frontend' : 'default',
        sharedWith: all?.backends.filter((other) => other !== name) ?? [],
        sharedWeight: all?.weight ?? planned.weight,
      },
    };
  });
  return { places, problems, drains: drainsOf(serviceName, name, backend, drains, options.onlyHost).map(drainName) };
}

function routeOf(
  backend: Backend,
  { family }: VirtualServiceId,
  routes: ReturnType<typeof routeTable>,
): NamedRoute | undefined {
  const own = backend[family];
  const address = own === undefined ? undefined : parseAddress(own, family);
  return address?.ok === true ? routes.lookup(address.value) : undefined;
}

/** Why a backend is not among a virtual service's destinations. */
function refusal(
  backend: Backend,
  id: VirtualServiceId,
  route: NamedRoute | undefined,
  problems: readonly Problem[],
  { onlyHost }: PlanOptions,
): string {
  if (onlyHost !== undefined && backend.host !== onlyHost)
    return `it is of ${backend.host === undefined ? 'no host' : `host ${backend.host}`}, and this balancer takes only those of ${onlyHost} (--only-host)`;
  if (backend[id.family] === undefined) return `it has no ${id.family} address`;
  if ('protocol' in id && backend[id.protocol] === undefined) return `it has no ${id.protocol} port`;
  if (route !== undefined && route.ipvsMethod === undefined)
    return `route ${route.name} (${route.prefix ?? 'default'}) has no IPVSMethod: it leaves out what is under it`;
  return problems.find(({ key }) => key.includes('/backends/'))?.message ?? 'no reason is known';
}
