import { type Clock, delay, isBug, type Logger } from '@clusterf/daemon';
import type { Config, Drain } from '@clusterf/model';
import type { Kernel } from './apply.js';
import { drainedParts, type DrainedPart, drainName, type DrainRef } from './drained.js';
import type { Desired } from './plan.js';
import type { DrainedStatus } from './status.js';
import type { Table } from './table.js';

export interface DrainWatchParts {
  readonly kernel: Pick<Kernel, 'watchConnections'>;
  /** What is planned, and what the kernel is known to hold: live views. */
  readonly desired: Desired;
  readonly known: () => Table | undefined;
  /** This balancer's name: drains of others are not its business. */
  readonly balancer: string;
  readonly onlyHost: string | undefined;
  /** The connections have been counted. */
  readonly onCount: () => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What is known of one drain. */
interface Watched extends DrainRef {
  readonly drain: Drain;
  /** All of it had weight 0 in the kernel at the last look. */
  settled: boolean;
  destinations: number;
  shared: number;
  active: number | undefined;
}

/** Milliseconds between counts: long enough for a connection that was just let in to become an active one. */
const INTERVAL = 2000;
/** How many times as long as a count took there is none: a host may be in ten thousand virtual services. */
const REST = 9;

/**
 * Tells what operators have drained as far as it concerns this balancer, and counts, beside the passes, the connections
 * that it still has here: who is to stop a machine waits for that.
 */
export class DrainWatch {
  readonly #parts: DrainWatchParts;
  readonly #watched = new Map<string, Watched>();
  #config: Config | undefined;
  #counting = false;

  constructor(parts: DrainWatchParts) {
    this.#parts = parts;
  }

  /**
   * Takes in what is drained now.
   *
   * @param config a live view
   */
  attend(config: Config): void {
    this.#config = config;
    const { log } = this.#parts;
    const now = new Map(this.#drainsOf(config).map((ref) => [drainName(ref), ref]));
    for (const [name, { drain }] of this.#watched) {
      if (now.get(name)?.drain === drain) continue;
      this.#watched.delete(name);
      if (!now.has(name)) log.info(`no longer drained: ${name}`);
    }
    for (const [name, ref] of now) {
      if (this.#watched.has(name)) continue;
      this.#watched.set(name, { ...ref, settled: false, destinations: 0, shared: 0, active: undefined });
      log.info(`drained: ${name}`, { ...ref.drain });
    }
  }

  /** Goes on counting for as long as anything is drained. */
  count(): void {
    if (!this.#counting) void this.#count();
  }

  /** @param bound how many virtual addresses this balancer has, or may have, bound */
  status(bound: number): readonly DrainedStatus[] {
    return [...this.#watched.values()].map(({ kind, name, drain, destinations, shared, active }): DrainedStatus => {
      if (kind === 'balancer') return { kind, name, ...drain, bound };
      return { kind, name, ...drain, destinations, shared, ...(active !== undefined && { activeConnections: active }) };
    });
  }

  #drainsOf({ drains: { hosts, backends, balancers } }: Config): readonly (DrainRef & { readonly drain: Drain })[] {
    const { balancer: name } = this.#parts;
    const own = balancers.get(name);
    return [
      ...[...hosts].map(([host, drain]) => ({ kind: 'host' as const, name: host, drain })),
      ...[...backends].map(([backend, drain]) => ({ kind: 'backend' as const, name: backend, drain })),
      ...(own === undefined ? [] : [{ kind: 'balancer' as const, name, drain: own }]),
    ];
  }

  async #count(): Promise<void> {
    const { clock, log, onCount, signal } = this.#parts;
    this.#counting = true;
    while (this.#watched.size > 0 && !signal.aborted) {
      const started = clock.now();
      try {
        await this.#look();
      } catch (error) {
        if (isBug(error)) throw error;
        log.debug('the connections of what is drained cannot be counted', { error });
        for (const watched of this.#watched.values()) watched.active = undefined;
      }
      onCount();
      await delay(clock, Math.max(INTERVAL, REST * (clock.now() - started)), signal);
    }
    this.#counting = false;
  }

  async #look(): Promise<void> {
    const { desired, kernel, known, onlyHost, signal } = this.#parts;
    const table = known();
    if (table === undefined || this.#config === undefined) return;
    const parts = drainedParts(desired, this.#config, onlyHost);
    const looks = [...this.#watched].map(([name, watched]) => ({ watched, parts: parts.get(name) ?? [], active: 0 }));
    const counted = new Map<string, Awaited<ReturnType<typeof kernel.watchConnections>>>();
    for (const look of looks) {
      for (const { key, service, destination, shared } of look.parts) {
        if (signal.aborted) return;
        if (shared) continue;
        const counts = counted.get(key) ?? (await kernel.watchConnections(service));
        counted.set(key, counts);
        look.active += counts.get(destination)?.active ?? 0;
      }
    }
    for (const { watched, parts: all, active } of looks) {
      const settled = all.every((part) => part.shared || isClosed(table, part));
      watched.destinations = all.length;
      watched.shared = all.filter(({ shared }) => shared).length;
      // At the first look what is inactive may be about to become active.
      watched.active = settled && watched.settled ? active : undefined;
      watched.settled = settled;
    }
  }
}

/** Whether the kernel has acknowledged that no more connections go there. */
function isClosed(table: Table, { key, destination }: DrainedPart): boolean {
  return (table.get(key)?.destinations.get(destination)?.weight ?? 0) === 0;
}
