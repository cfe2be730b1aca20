import type { HttpSurface } from '@clusterf/daemon';
import { VERSION } from '../version.js';
import { mergeMetrics } from './merge-metrics.js';

/** What both agents show, as one. */
export function bothSurfaces(docker: HttpSurface, ipvs: HttpSurface): HttpSurface {
  return {
    metrics: async () => mergeMetrics(await docker.metrics(), await ipvs.metrics()),
    unhealthy: () => docker.unhealthy() ?? ipvs.unhealthy(),
    unready: () => docker.unready() ?? ipvs.unready(),
    status: () => ({ version: VERSION, docker: docker.status(), ipvs: ipvs.status() }),
  };
}
