/** What operators have drained takes no new connections: its backends have weight 0, whatever the tree says of it. */
import type { VirtualServiceId } from '@clusterf/ipvs';
import type { Backend, Config, Drains } from '@clusterf/model';
import type { NamedBackend } from './destinations.js';
import type { Desired } from './plan.js';

/** Something that an operator has drained. */
export interface DrainRef {
  readonly kind: 'host' | 'backend' | 'balancer';
  /** A backend's is `<service>/<backend>`. */
  readonly name: string;
}

/** As people read it: `host docker1`, `backend web/a`. */
export function drainName({ kind, name }: DrainRef): string {
  return `${kind} ${name}`;
}

/**
 * The drains that a backend is under, its own and its Docker host's.
 *
 * To the host's own balancer (`--only-host`) a drain of the host is nothing: the edge balancers are those who send it no
 * more. What was on its way by then, and what its own containers ask for, has no other host to go to from there and would
 * be refused.
 */
export function drainsOf(
  service: string,
  name: string,
  { host }: Backend,
  { hosts, backends }: Drains,
  onlyHost: string | undefined,
): readonly DrainRef[] {
  const drains: DrainRef[] = [];
  if (host !== undefined && host !== onlyHost && hosts.has(host)) drains.push({ kind: 'host', name: host });
  if (backends.size > 0 && backends.has(`${service}/${name}`))
    drains.push({ kind: 'backend', name: `${service}/${name}` });
  return drains;
}

/**
 * The backends of a service with the weight that counts. A host's own balancer keeps them all as they are rather than
 * be left with none that takes connections, for the same reason.
 */
export function withDrains(
  service: string,
  backends: readonly NamedBackend[],
  drains: Drains,
  onlyHost: string | undefined,
): readonly NamedBackend[] {
  if (drains.hosts.size === 0 && drains.backends.size === 0) return backends;
  const left = backends.map(([name, backend]): NamedBackend => {
    const isDrained = drainsOf(service, name, backend, drains, onlyHost).length > 0;
    return isDrained ? [name, { ...backend, weight: 0 }] : [name, backend];
  });
  return onlyHost === undefined || left.some(takesConnections) ? left : backends;
}

function takesConnections([, { weight }]: NamedBackend): boolean {
  return weight > 0;
}

/** A destination that a drain is about. */
export interface DrainedPart {
  /** `virtualServiceKey`, and the virtual service itself. */
  readonly key: string;
  readonly service: VirtualServiceId;
  /** `destinationKey` */
  readonly destination: string;
  /** It keeps some weight, for other backends or because nothing else is there: the kernel counts all together. */
  readonly shared: boolean;
}

/** Where drains show in what is planned, by `drainName`. */
export function drainedParts(
  desired: Desired,
  { services, drains }: Config,
  onlyHost: string | undefined,
): ReadonlyMap<string, readonly DrainedPart[]> {
  const parts = new Map<string, DrainedPart[]>();
  for (const [key, { service, destinations }] of desired) {
    const { serviceName } = service;
    const known = services.get(serviceName)?.backends;
    for (const [destination, { backends, weight }] of destinations) {
      const refs = backends.flatMap((name) => {
        const backend = known?.get(name);
        return backend === undefined ? [] : drainsOf(serviceName, name, backend, drains, onlyHost);
      });
      for (const name of new Set(refs.map(drainName))) {
        const found = parts.get(name) ?? [];
        found.push({ key, service: service.id, destination, shared: weight > 0 });
        parts.set(name, found);
      }
    }
  }
  return parts;
}
