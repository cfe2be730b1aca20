import { destinationKey, IpvsClient, type Stats, virtualServiceKey } from '@clusterf/ipvs';
import type { Desired } from '@clusterf/ipvs-agent';
import { openedKernel } from '../kernel.js';
import type { DestinationLook, Look, Rates, ServiceLook } from './look.js';

/** What the kernel of this machine, or of this network namespace, counts. */
export class KernelCounters implements Disposable {
  readonly #client: IpvsClient;

  private constructor(client: IpvsClient) {
    this.#client = client;
  }

  /** @throws FailureError if it cannot be asked */
  static async open(): Promise<KernelCounters> {
    const otherwise = 'leave out --kernel, to ask the agent of this machine';
    return new KernelCounters(await openedKernel(async () => await IpvsClient.open(), otherwise));
  }

  /** @param names what the tree calls things */
  async look(names: Desired): Promise<Look> {
    const services = new Map<string, ServiceLook>();
    const destinations = new Map<string, DestinationLook>();
    for (const entry of await this.#client.table()) {
      const virtualService = virtualServiceKey(entry.service.id);
      const planned = names.get(virtualService);
      const service = planned?.service.serviceName ?? '';
      services.set(virtualService, { service, virtualService, rates: ratesOf(entry.service.stats) });
      for (const each of entry.destinations) {
        const destination = destinationKey(each);
        destinations.set(`${virtualService}\n${destination}`, {
          service,
          virtualService,
          backend: planned?.destinations.get(destination)?.backends.join(',') ?? '',
          destination,
          rates: ratesOf(each.stats),
          weight: each.weight,
          active: each.activeConnections,
          inactive: each.inactiveConnections,
        });
      }
    }
    return { services: [...services.values()], destinations: [...destinations.values()] };
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function ratesOf(stats: Stats): Rates {
  return {
    connections: Number(stats.connectionsPerSecond),
    packetsIn: Number(stats.packetsInPerSecond),
    packetsOut: Number(stats.packetsOutPerSecond),
    bytesIn: Number(stats.bytesInPerSecond),
    bytesOut: Number(stats.bytesOutPerSecond),
  };
}
