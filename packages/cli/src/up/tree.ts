import { openIn } from '@clusterf/docker-agent';
import type { StateDirectory } from '@clusterf/ipvs-agent';
import {
  type ClaimEntry,
  etcdOptions,
  memoryRegistrations,
  MemoryTree,
  openSource,
  type RegistrationEvent,
  type Registrations,
  type Source,
} from '@clusterf/store';
import { dockerAgentOptions, type TreePlace, type UpOptions } from './command.js';
import { FormerRegistrations } from './former-registrations.js';

/** The tree between the two agents. */
export interface Tree extends AsyncDisposable {
  /** What the balancer reads; later ones override. */
  readonly sources: readonly Source[];
  /** The URL of what the docker-agent writes to. */
  readonly registry: string;
  /** What it holds, where it is in memory. */
  readonly entries: ReadonlyMap<string, string> | undefined;
  readonly open: (claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) => Registrations;
}

/**
 * In memory unless there is an etcd to register in; also where nothing is to be written, and what would be is seen as if it
 * were.
 *
 * @param state where the next run finds what was registered in memory
 */
export async function openTree(place: TreePlace, options: UpOptions, state: StateDirectory): Promise<Tree> {
  const others = place.sources.map((url) => openSource(url, etcdOptions(options)));
  if (place.registry !== undefined && !options.noop) {
    const open = openIn(dockerAgentOptions(options, place.registry));
    return {
      sources: others,
      registry: place.registry,
      entries: undefined,
      open,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  // Nothing is known before Docker has been listed: what is in the kernel stays until then.
  const memory = MemoryTree.unread();
  const former = options.noop ? undefined : await FormerRegistrations.load(state);
  const save = (entries: ReadonlyMap<string, string>) => former?.save(entries);
  return {
    // Labels come first: what an operator has written down overrides them.
    sources: [memory, ...others],
    registry: memory.url,
    entries: memory.entries,
    open: (claim, onEvent) => memoryRegistrations(memory, { former: former?.entries, save, claim, onEvent }),
    [Symbol.asyncDispose]: async () => await former?.[Symbol.asyncDispose](),
  };
}
