import { z } from 'zod';
import { until } from '../fixtures/until.js';
import { VIRTUAL } from './addresses.js';
import { Bird, clusterFile } from './bird.js';
import type { ClusterDescription } from './description.js';
import type { Place } from './place.js';
import { birdDefinitions } from './wiring.js';

/** What `ip -json route show` says of a route with one way, and with several. */
const Routes = z.array(
  z.object({
    gateway: z.string().optional(),
    nexthops: z.array(z.object({ gateway: z.string() })).default([]),
  }),
);

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
    return new Router(place, await Bird.start(place, 'router', birdDefinitions(cluster, router, VIRTUAL), directory));
  }

  /** Where the kernel sends what is for an address: the balancers' addresses, sorted. */
  async nextHops(address: string): Promise<string[]> {
    const family = address.includes(':') ? '-6' : '-4';
    const routes = Routes.parse(JSON.parse(await this.place.run('ip', '-json', family, 'route', 'show', address)));
    const gateways = routes.flatMap(({ gateway, nexthops }) => [gateway, ...nexthops.map((hop) => hop.gateway)]);
    return gateways.filter((gateway) => gateway !== undefined).toSorted();
  }

  /** Waits until it spreads an address over exactly these balancers. */
  async spreads(address: string, balancers: readonly string[]): Promise<void> {
    const wanted = balancers.toSorted().join(' ');
    let hops = '';
    await until(`${address} leads to ${wanted}`, async () => {
      hops = (await this.nextHops(address)).join(' ');
      return hops === wanted;
    }).catch(async (cause: unknown) => {
      const log = `${await this.bird.ask('show', 'protocols')}\n${await this.place.log('bird')}`;
      throw new Error(`${address} leads to ${hops === '' ? 'nowhere' : hops}, not to ${wanted}\n${log}`, { cause });
    });
  }
}
