import type { EntryRef, Problem } from '@clusterf/model';
import type { SurroundingsStatus } from './surroundings.js';

/** What `/status` shows, and what the gauges of `/metrics` are read from. Times are ISO 8601. */
export interface AgentStatus extends SurroundingsStatus {
  readonly version: string;
  readonly balancer: string;
  readonly machine: string;
  readonly pid: number;
  readonly started: string;
  /** The first full apply is done. */
  readonly ready: boolean;
  readonly sources: readonly SourceStatus[];
  readonly problems: readonly Problem[];
  /** Bad entries whose last good value is in force. */
  readonly quarantined: readonly EntryRef[];
  /** Of ours, in the kernel. */
  readonly virtualServices: number;
  readonly destinations: number;
  /** A short word for what the kernel should hold: balancers that want the same table have the same. */
  readonly table: string;
  /** Virtual services in the kernel that neither the tree names nor we made. */
  readonly foreign: readonly string[];
  /** What operators have drained, as far as it concerns this balancer. */
  readonly drained: readonly DrainedStatus[];
  /** `--only-host` */
  readonly onlyHost: string | undefined;
  /** Removals held back, by the reason why; the operations as `--noop` prints them. */
  readonly held: readonly HeldStatus[];
  readonly draining: readonly DrainingStatus[];
  /** Virtual services of which the kernel refused an operation, and when it is tried again. */
  readonly retrying: readonly RetryStatus[];
  /** What others changed of ours, since the start. */
  readonly drift: Readonly<Record<DriftKind, number>>;
  readonly lastPass: PassStatus | undefined;
}

/** Somebody made, changed or removed something of ours. */
export type DriftKind = 'added' | 'changed' | 'removed';

export interface SourceStatus {
  readonly url: string;
  /** `unread`: never read yet. `unavailable`: what was last read stays in force. */
  readonly state: 'unread' | 'current' | 'unavailable';
  readonly since: string;
  readonly entries: number;
  /** A short word for all of them: who has read the same has the same. */
  readonly digest: string;
  readonly error?: string;
}

export interface HeldStatus {
  readonly reason: 'brake' | 'unreadable entries' | 'nothing published';
  readonly destinations: number;
  readonly operations: readonly string[];
  readonly since: string;
  /** When the brake lets them go, if they are still asked for. */
  readonly until?: string;
}

export interface DrainingStatus {
  readonly virtualService: string;
  readonly destination: string;
  readonly activeConnections: number | undefined;
  readonly until: string;
}

export type DrainedStatus = DrainedBackends | DrainedBalancer;

interface Drained {
  /** A backend's is `<service>/<backend>`. */
  readonly name: string;
  /** As the operator wrote them. */
  readonly reason?: string;
  readonly since?: string;
}

export interface DrainedBackends extends Drained {
  readonly kind: 'host' | 'backend';
  /** Destinations here that are of it, if only in part. */
  readonly destinations: number;
  /** Of these, those that keep some weight: other backends share them, or the host's own balancer has no other. */
  readonly shared: number;
  /** Of all that are not shared; absent until all of these have weight 0 in the kernel and have been counted. */
  readonly activeConnections?: number;
}

/** This balancer itself. */
export interface DrainedBalancer extends Drained {
  readonly kind: 'balancer';
  /** Its virtual addresses that are, or may be, still bound. */
  readonly bound: number;
}

export interface RetryStatus {
  readonly virtualService: string;
  readonly message: string;
  readonly until: string;
}

export interface PassStatus {
  readonly at: string;
  readonly reason: 'trigger' | 'resync' | 'retry';
  /** Seconds. */
  readonly duration: number;
  readonly operations: number;
  readonly refused: number;
}
