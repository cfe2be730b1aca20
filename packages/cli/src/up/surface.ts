import type { HttpSurface } from '@clusterf/daemon';
import type { DockerAgent } from '@clusterf/docker-agent';
import type { Balancer } from '@clusterf/ipvs-agent';
import { VERSION } from '../version.js';
import { mergeMetrics } from './merge-metrics.js';

/** What only the process as a whole can tell. */
export interface Whole {
  /** What it was told, as arguments: those that are not by default. */
  readonly options: readonly string[];
  /** Paths and values of the tree, where it is in memory. */
  readonly tree: ReadonlyMap<string, string> | undefined;
}

/** What both agents show, as one. */
export function bothSurfaces(dockerAgent: DockerAgent, { agent, health }: Balancer, whole: Whole): HttpSurface {
  const docker = dockerAgent.health.surface;
  const ipvs = health.surface(agent);
  const unready = () => docker.unready() ?? ipvs.unready();
  return {
    metrics: async () => mergeMetrics(await docker.metrics(), await ipvs.metrics()),
    unhealthy: () => docker.unhealthy() ?? ipvs.unhealthy(),
    unready,
    // First what the status of any agent has.
    status: () => ({
      version: VERSION,
      pid: process.pid,
      ready: unready() === undefined,
      problems: [...dockerAgent.health.report.status().problems, ...agent.status().problems],
      docker: docker.status(),
      ipvs: ipvs.status(),
      options: whole.options,
      ...(whole.tree === undefined ? {} : { tree: Object.fromEntries(whole.tree) }),
    }),
  };
}
