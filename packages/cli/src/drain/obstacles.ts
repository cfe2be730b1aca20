/** What speaks against a drain, to be overridden with `--force`. Pure. */
import { Planner } from '@clusterf/ipvs-agent';
import type { Config, Drain, Drains } from '@clusterf/model';
import type { Known, Target } from './known.js';

const LISTED = 5;

/** In words that say what to do instead; empty if nothing does. */
export function obstaclesTo(target: Target, { config, drained, balancers }: Known): readonly string[] {
  if (target.kind !== 'balancer') {
    const left = leftWithout(config, withDrain(config.drains, target));
    return left.length === 0 ? [] : [`nothing else takes connections for ${some(left)}: new ones would be refused`];
  }
  const own = balancers.find(({ name }) => name === target.name);
  if (own === undefined) return [];
  if (typeof own.onlyHost === 'string')
    return [
      `it is the balancer of a Docker host (--only-host ${own.onlyHost}): edge balancers that send to it would send to ` +
        `addresses that are gone; so that they send nothing new: clusterf drain host ${own.onlyHost}`,
    ];
  if (own.vipInterface === null)
    return ['it has no --vip-interface, and so no addresses to take away: nothing would change'];
  const isDrained = (name: string) => drained.some((each) => each.kind === 'balancer' && each.name === name);
  const others = balancers.filter(({ name, onlyHost }) => name !== own.name && onlyHost === null && !isDrained(name));
  return others.length === 0 ? ['no other balancer is left: no virtual address could be reached any more'] : [];
}

/** Services, each with its virtual services that a drain leaves without anything that takes connections. */
function leftWithout(config: Config, drains: Drains): readonly string[] {
  const [before, after] = [taking(config), taking({ ...config, drains })];
  const left = new Map<string, string[]>();
  for (const [key, service] of before) if (!after.has(key)) left.set(service, [...(left.get(service) ?? []), key]);
  return [...left].map(([service, keys]) => `${service} (${keys.join(', ')})`);
}

/** Virtual services that some destination takes connections for, with their service. */
function taking(config: Config): ReadonlyMap<string, string> {
  // How packets get there makes no difference to this.
  const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });
  planner.update(config, { services: new Set(config.services.keys()), routes: true });
  const served = [...planner.desired].filter(([, { destinations }]) =>
    [...destinations.values()].some(({ weight }) => weight > 0),
  );
  return new Map(served.map(([key, { service }]) => [key, service.serviceName]));
}

function withDrain(drains: Drains, { kind, name }: Target): Drains {
  const also = (drained: ReadonlyMap<string, Drain>) => new Map([...drained, [name, {}]]);
  return kind === 'host' ? { ...drains, hosts: also(drains.hosts) } : { ...drains, backends: also(drains.backends) };
}

function some(texts: readonly string[]): string {
  const more = texts.length > LISTED ? [`and ${texts.length - LISTED} more services`] : [];
  return [...texts.slice(0, LISTED), ...more].join(', ');
}
