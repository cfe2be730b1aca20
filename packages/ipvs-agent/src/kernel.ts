import { destinationKey, type IpvsClient, virtualServiceKey } from '@clusterf/ipvs';
import type { Kernel } from './apply.js';

/** The kernel of the network namespace that this process runs in. */
export function ipvsKernel(client: IpvsClient): Kernel {
  return {
    dump: async () =>
      new Map(
        (await client.table()).map(({ service, destinations }) => [
          virtualServiceKey(service.id),
          entry(service, destinations),
        ]),
      ),
    dumpService: async (id) => {
      const service = await client.service(id);
      return service && entry(service, await client.destinations(id));
    },
    execute: async (ops) => await client.batch(ops),
    flush: async () => await client.flush(),
  };
}

function entry<S, D extends Parameters<typeof destinationKey>[0]>(service: S, destinations: readonly D[]) {
  return {
    service,
    destinations: new Map(destinations.map((destination) => [destinationKey(destination), destination])),
  };
}
