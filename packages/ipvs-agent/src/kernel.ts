import { ArgumentError, destinationKey, type IpvsClient, virtualServiceKey } from '@clusterf/ipvs';
import type { Kernel, Refusal } from './apply.js';
import type { Op } from './diff.js';

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
    execute: async (ops) => await execute(client, ops),
    flush: async () => await client.flush(),
  };
}

/** One operation that the client itself refuses, which the planner should never ask for, does not stop the others. */
async function execute(client: IpvsClient, ops: readonly Op[]): Promise<readonly (Refusal | undefined)[]> {
  try {
    return await client.batch(ops);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const answers: (Refusal | undefined)[] = [];
    for (const op of ops) {
      const [answer] = await client.batch([op]).catch((refusal: unknown) => {
        if (refusal instanceof ArgumentError) return [refusal];
        throw refusal;
      });
      answers.push(answer);
    }
    return answers;
  }
}

function entry<S, D extends Parameters<typeof destinationKey>[0]>(service: S, destinations: readonly D[]) {
  return {
    service,
    destinations: new Map(destinations.map((destination) => [destinationKey(destination), destination])),
  };
}
