import type { MemoryTree } from './memory.js';
import type { ClaimEntry } from './own-keys.js';
import type { PublishOptions, RegistrationEvent, Registrations, RegistrationsState } from './registrations.js';

export interface MemoryRegistrationsOptions {
  /** What `save` of a former run was told last: it comes back as far as `keep` of the first publication says. */
  readonly former?: ReadonlyMap<string, string> | undefined;
  /** Told everything that is written, whenever that changes, for the next run to know. */
  readonly save?: ((written: ReadonlyMap<string, string>) => void) | undefined;
  /** Told of as an event; in memory nobody else could have it. */
  readonly claim?: ClaimEntry | undefined;
  readonly onEvent?: ((event: RegistrationEvent) => void) | undefined;
}

/**
 * Registrations in a tree in memory: written the moment they are published, and gone when the process is. Nobody else
 * registers there, so a claim is ours at once, and a shared key is ours unless it is there already.
 */
export function memoryRegistrations(tree: MemoryTree, options: MemoryRegistrationsOptions = {}): Registrations {
  const { former = new Map<string, string>(), save, claim, onEvent } = options;
  let inherited = former;
  let written: ReadonlyMap<string, string> = new Map();
  let held: ReadonlyMap<string, string> = new Map();
  let desired: ReadonlyMap<string, string> = inherited;
  let closed = false;
  const { signal: refusal } = new AbortController();
  // Later, as those of etcd: who publishes has then noted what.
  const tell = (event: RegistrationEvent) => queueMicrotask(() => onEvent?.(event));
  if (claim !== undefined) tell({ type: 'claimed', key: claim.path, inherited: inherited.size });

  function publish(
    entries: ReadonlyMap<string, string>,
    { shared = new Map(), keep = () => false }: PublishOptions = {},
  ): void {
    if (closed) return;
    inherited = new Map([...inherited].filter(([path]) => keep(path)));
    desired = new Map([...inherited, ...entries]);
    const others = new Map([...tree.entries].filter(([path]) => !written.has(path)));
    const ours = [...shared].filter(([path]) => !others.has(path));
    write(new Map([...desired, ...ours]));
    hold(new Map([...others].filter(([path]) => shared.has(path))));
  }

  function write(wanted: ReadonlyMap<string, string>): void {
    const removed = [...written.keys()].filter((path) => !wanted.has(path));
    const put = [...wanted].filter(([path, value]) => written.get(path) !== value);
    // Also one that changes nothing: that there is nothing is news to who has not been told anything yet.
    tree.transaction(
      new Map<string, string | undefined>([...put, ...removed.map((path) => [path, undefined] as const)]),
    );
    written = wanted;
    for (const [key, value] of put) tell({ type: 'put key', key, value });
    for (const key of removed) tell({ type: 'removed key', key });
    if (put.length + removed.length > 0) save?.(written);
  }

  function hold(now: ReadonlyMap<string, string>): void {
    const before = held;
    held = now;
    for (const [key, value] of now) if (before.get(key) !== value) tell({ type: 'held by another', key, value });
  }

  return {
    publish,
    describe() {},
    refusal,
    async settled() {},
    async flush() {
      publish(new Map());
      closed = true;
    },
    async close() {
      closed = true;
    },
    get state(): RegistrationsState {
      return { written, held, refused: new Map(), desired, claimed: true, settled: true };
    },
  };
}
