import { accept, reject, type Result } from '@clusterf/model';
import type { ContainerState } from './container.js';

export type KnownContainers = Pick<ReadonlyMap<string, ContainerState>, 'get'>;

/** Id of the container whose network this one was created on, if it was not given its own. */
export function sharesNetworkOf({ networkMode }: Pick<ContainerState, 'networkMode'>): string | undefined {
  return networkMode.startsWith('container:') ? networkMode.slice('container:'.length) : undefined;
}

/** Ids that these containers name as the owners of their networks: who knows them too knows all addresses. */
export function networkOwnersOf(containers: Iterable<Pick<ContainerState, 'networkMode'>>): ReadonlySet<string> {
  return new Set([...containers].map(sharesNetworkOf).filter((id) => id !== undefined));
}

/**
 * The container whose network this one uses: most often its own, else followed through to the last. Docker gives a
 * container a new network at every start, and those that share it stay on the old one, which leads nowhere any more.
 */
export function networkOwner(container: ContainerState, known: KnownContainers): Result<ContainerState> {
  const seen = new Set<string>();
  let owner = container;
  for (;;) {
    const id = sharesNetworkOf(owner);
    if (id === undefined) return accept(owner);
    const next = known.get(id);
    if (next === undefined || seen.has(id)) {
      return reject(`the container uses the network of ${id.slice(0, 12)}, which is not known to run`);
    }
    if (next.status !== 'running' && next.status !== 'paused') {
      return reject(`the container uses the network of ${next.name}, which is ${next.status}`);
    }
    if (next.startedAt > owner.startedAt) {
      return reject(
        `${owner.name} was started before ${next.name}, whose network it uses, and is cut off: expected ${owner.name} to be restarted too`,
      );
    }
    seen.add(id);
    owner = next;
  }
}
