import { parseKey, type Problem } from '@clusterf/model';
import type { ContainerState, DockerView } from './container.js';
import { isLabelled } from './labels.js';

/** What `/status` shows, and what the gauges of `/metrics` are read from. Times are ISO 8601. */
export interface AgentStatus {
  readonly version: string;
  /** The name by which this host registers. */
  readonly host: string;
  readonly machine: string;
  readonly pid: number;
  readonly started: string;
  /** What was found at the start is registered. */
  readonly ready: boolean;
  readonly docker: DockerStatus;
  readonly tree: TreeStatus;
  readonly problems: readonly Problem[];
  /** Labelled containers that run. */
  readonly containers: Readonly<Record<Condition, number>>;
  /** How many backends of this host each has. */
  readonly services: readonly { readonly service: string; readonly backends: number }[];
  readonly frontends: FrontendCount;
  readonly routes: number;
}

export interface DockerStatus {
  readonly endpoint: string;
  /** `unread`: never listed yet. `unavailable`: what was last seen stays registered. */
  readonly state: 'unread' | 'current' | 'unavailable';
  readonly since: string;
  readonly lastListing?: string;
  readonly error?: string;
}

export interface TreeStatus {
  readonly url: string;
  /** On which everything is registered; absent while there is none. */
  readonly lease?: string;
  /** The host's name in the tree is ours. */
  readonly claimed: boolean;
  /** All that should be in the tree is. */
  readonly settled: boolean;
  readonly error?: string;
}

export interface FrontendCount {
  /** Asked for by labels, and allowed. */
  readonly wanted: number;
  /** Of those, how many are somebody else's in the tree. */
  readonly held: number;
}

/** What a container is told by; of several the first. All but `running` have weight 0, or, if `young`, none yet. */
export const CONDITIONS = ['young', 'paused', 'draining', 'starting', 'unhealthy', 'running'] as const;
export type Condition = (typeof CONDITIONS)[number];

export function countContainers({ containers, others, draining }: DockerView): Record<Condition, number> {
  const counts = { young: 0, paused: 0, draining: 0, starting: 0, unhealthy: 0, running: 0 };
  for (const container of containers) counts[conditionOf(container, draining.has(container.id))] += 1;
  counts.young = others.filter(({ labels }) => isLabelled(labels)).length;
  return counts;
}

function conditionOf({ status, health }: ContainerState, draining: boolean): Condition {
  if (status === 'paused') return 'paused';
  if (draining || status === 'stopping') return 'draining';
  return health === 'starting' || health === 'unhealthy' ? health : 'running';
}

/** @param paths of all entries */
export function countEntries(paths: Iterable<string>): Pick<AgentStatus, 'services' | 'routes'> {
  const services = new Map<string, number>();
  let routes = 0;
  for (const path of paths) {
    const key = parseKey(path);
    if (key.kind === 'backend') services.set(key.service, (services.get(key.service) ?? 0) + 1);
    if (key.kind === 'route') routes += 1;
  }
  return { services: [...services].map(([service, backends]) => ({ service, backends })), routes };
}
