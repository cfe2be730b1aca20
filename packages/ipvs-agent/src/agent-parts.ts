import type { Clock, Logger } from '@clusterf/daemon';
import type { Source } from '@clusterf/store';
import type { Kernel } from './apply.js';
import type { EtcdEndpoints } from './etcd-endpoints.js';
import type { Ownership } from './ownership.js';
import type { PlanOptions } from './plan.js';
import type { Observer } from './report.js';
import type { Restraint } from './restraint.js';
import type { StateDirectory } from './state-directory.js';
import type { Surroundings } from './surroundings.js';

export interface AgentOptions extends PlanOptions {
  /** Routes only from sources whose URL begins so: `--filter-routes`. */
  readonly filterRoutes?: string | undefined;
  /** Milliseconds between walks of the kernel's table: `--resync`; 0 = none. */
  readonly resync: number;
  /** Print the operations and write nothing: `--noop`. */
  readonly noop: boolean;
  /** Print the table after every pass that changed it: `--print`. */
  readonly print: boolean;
  /** Delete every virtual service before the first pass: `--flush`. */
  readonly flush: boolean;
  /** What is in the kernel at the start is ours, whoever made it: `--adopt`. */
  readonly adopt: boolean;
  /** Return when the kernel is as the tree says: `--once`. */
  readonly once: boolean;
  /** Take a tree that publishes nothing at its word from the start: no typo in a prefix can be the reason for it. */
  readonly trustEmpty?: boolean | undefined;
}

export interface AgentParts {
  readonly sources: readonly Source[];
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly restraint: Restraint;
  readonly surroundings: AgentSurroundings;
  readonly etcd: EtcdEndpoints;
  readonly state: Pick<StateDirectory, 'verify' | 'problems' | 'obstacle'>;
  readonly observer: Observer;
  readonly log: Logger;
  /** Takes what `--print` and `--noop` say. */
  readonly print: (text: string) => void;
  readonly clock: Clock;
  /** Milliseconds since 1970, for what is written down for the next run. */
  readonly wall: () => number;
  /** Stops the agent: the pass under way is finished, the kernel's table is left as it is. */
  readonly signal: AbortSignal;
}

/** As much of the surroundings as the agent uses. */
export type AgentSurroundings = Pick<Surroundings, keyof Surroundings>;
