import { isDeepStrictEqual } from 'node:util';
import { isLive } from './backends.js';
import type { ContainerState } from './container.js';
import { networkOwnersOf, sharesNetworkOf } from './shared-network.js';

/** The containers that run, as far as they are labelled, or lend their network to one that is. */
export class LiveContainers {
  readonly #byId = new Map<string, ContainerState>();
  #owners: ReadonlySet<string> | undefined;

  /** @returns whether that changes anything; undefined = there is no such container */
  fold(id: string, state: ContainerState | undefined): boolean {
    const before = this.#byId.get(id);
    if (state === undefined || !isLive(state)) {
      this.#owners = undefined;
      return this.#byId.delete(id);
    }
    const after = before === undefined ? state : withoutRelapse(before, state);
    if (isDeepStrictEqual(before, after)) return false;
    this.#byId.set(id, after);
    this.#owners = undefined;
    return true;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Whether what happens to the container with this id matters, whatever its labels. */
  concerns(id: string): boolean {
    return this.#byId.has(id) || this.owners.has(id);
  }

  /** Ids of those whose network another one uses, running or not. */
  get owners(): ReadonlySet<string> {
    this.#owners ??= networkOwnersOf(this.#byId.values());
    return this.#owners;
  }

  /** Id of the container whose network this one uses, if that one is not among these. */
  missingOwnerOf(id: string): string | undefined {
    const state = this.#byId.get(id);
    const owner = state === undefined ? undefined : sharesNetworkOf(state);
    return owner === undefined || this.#byId.has(owner) ? undefined : owner;
  }

  [Symbol.iterator](): Iterator<ContainerState> {
    return this.#byId.values();
  }
}

/**
 * A container is `starting` once for every start. That of one that was healthy already is dockerd's own: restarted
 * under live-restore it begins anew with all checks (since its version 26), and the whole host would be without weight.
 */
function withoutRelapse(before: ContainerState, after: ContainerState): ContainerState {
  const relapses = before.health === 'healthy' && after.health === 'starting' && before.startedAt === after.startedAt;
  return relapses ? { ...after, health: before.health } : after;
}
