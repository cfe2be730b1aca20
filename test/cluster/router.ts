import { z } from 'zod';
import { until } from '../fixtures/until.js';
import { VIRTUAL } from './addresses.js';
import { Bird, clusterFile } from './bird.js';
import type { ClusterDescription } from './description.js';
import type { Place } from './place.js';
import { birdDefinitions, RESILIENT_TABLE } from './wiring.js';

/** What `ip -json route show` says of a route with one way, and with several. */
const Routes = z.array(
  z.object({
    gateway: z.string().optional(),
    nexthops: z.array(z.object({ gateway: z.string() })).default([]),
  }),
);

/** What `ip -json nexthop bucket` says. */
const Buckets = z.array(z.object({ bucket: z.object({ nhid: z.number(), idle_time: z.number() }) }));

const Routed = z.array(z.object({ nhid: z.number().optional() }));

/** A share of all flows. */
export interface Bucket {
  /** The kernel's number for it. */
  readonly nextHop: number;
  /** Seconds since it was used, or given to this next hop. */
  readonly idle: number;
}

/** Milliseconds to wait at most, and between looks, of which each starts a process. */
export const PATIENCE = [30_000, 100] as const;

/** How long a flow must have been silent before a new balancer may take it over. */
const IDLE_SECONDS = 120;

/** The router in front of the balancers. */
export class Router {
  readonly place: Place;
  readonly bird: Bird;

  private constructor(place: Place, bird: Bird) {
    this.place = place;
    this.bird = bird;
  }

  static async start(place: Place, cluster: ClusterDescription, directory: string): Promise<Router> {
    const { router } = cluster;
    if (router === undefined) throw new RangeError('the cluster has no router');
    await place.run('sysctl', '-q', '-p', clusterFile('sysctl', 'router.conf'));
    if (router.resilient === true) {
      const command = [clusterFile('router', 'resilient-routes.js'), String(RESILIENT_TABLE), String(IDLE_SECONDS)];
      place.spawn([process.execPath, ...command], { log: 'resilient-routes' });
    }
    return new Router(place, await Bird.start(place, 'router', birdDefinitions(cluster, router, VIRTUAL), directory));
  }

  /** Where the kernel sends what is for an address: the balancers' addresses, sorted. */
  async nextHops(address: string): Promise<string[]> {
    const family = address.includes(':') ? '-6' : '-4';
    const routes = Routes.parse(JSON.parse(await this.place.run('ip', '-json', family, 'route', 'show', address)));
    const gateways = routes.flatMap(({ gateway, nexthops }) => [gateway, ...nexthops.map((hop) => hop.gateway)]);
    // With resilient routes each is there twice.
    return [...new Set(gateways.filter((gateway) => gateway !== undefined))].toSorted();
  }

  /** The buckets of an address's resilient group, in their order. */
  async buckets(address: string): Promise<readonly Bucket[]> {
    const family = address.includes(':') ? '-6' : '-4';
    const [route] = Routed.parse(JSON.parse(await this.place.run('ip', '-json', family, 'route', 'show', address)));
    if (route?.nhid === undefined) throw new Error(`${address} has no group of next hops`);
    const text = await this.place.run('ip', '-json', 'nexthop', 'bucket', 'list', 'id', String(route.nhid));
    return Buckets.parse(JSON.parse(text)).map(({ bucket }) => ({ nextHop: bucket.nhid, idle: bucket.idle_time }));
  }

  /** Waits until it spreads an address over exactly these balancers. */
  async spreads(address: string, balancers: readonly string[]): Promise<void> {
    const wanted = balancers.toSorted().join(' ');
    let hops = '';
    await until(
      `${address} leads to ${wanted}`,
      async () => {
        hops = (await this.nextHops(address)).join(' ');
        return hops === wanted;
      },
      ...PATIENCE,
    ).catch(async (cause: unknown) => {
      const log = `${await this.bird.ask('show', 'protocols')}\n${await this.place.log('bird')}`;
      throw new Error(`${address} leads to ${hops === '' ? 'nowhere' : hops}, not to ${wanted}\n${log}`, { cause });
    });
  }
}
