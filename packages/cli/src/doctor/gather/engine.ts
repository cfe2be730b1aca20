import type { Environment } from '@clusterf/daemon';
import { toError } from '@clusterf/daemon';
import { DockerRequests, parseEndpoint } from '@clusterf/docker-agent';
import * as z from 'zod';
import type { Engine } from '../facts.js';

/** Milliseconds. */
const TIMEOUT = 5000;

const Version = z.object({ Version: z.string() });
const Info = z.object({
  LiveRestoreEnabled: z.boolean().optional(),
  Swarm: z.object({ LocalNodeState: z.string().optional() }).optional(),
});
const Networks = z.array(
  z.object({
    Name: z.string(),
    Options: z.record(z.string(), z.string()).nullish(),
    IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().optional() })).nullish() }).optional(),
  }),
);

/** What Docker says of itself. A proxy before it may keep part of it back: that is then not known. */
export async function gatherEngine(endpoint: string, env: Environment): Promise<Engine> {
  try {
    const docker = new DockerRequests(parseEndpoint(endpoint, env));
    const ask = async (path: string) => await docker.readJson(path, AbortSignal.timeout(TIMEOUT));
    // What the agent is allowed in any case: whether Docker can be reached at all.
    await docker.read('/containers/json', { limit: '1' }, AbortSignal.timeout(TIMEOUT));
    const version = Version.safeParse(await ask('/version').catch(() => undefined)).data?.Version;
    const info = Info.safeParse(await ask('/info').catch(() => undefined)).data;
    const networks = Networks.safeParse(await ask('/networks').catch(() => undefined)).data;
    return {
      ...(version !== undefined && { version }),
      ...(info?.LiveRestoreEnabled !== undefined && { liveRestore: info.LiveRestoreEnabled }),
      ...(info?.Swarm !== undefined && { swarm: info.Swarm.LocalNodeState === 'active' }),
      ...(networks !== undefined && {
        networks: networks.map(({ Name, Options, IPAM }) => ({
          name: Name,
          subnets: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
          options: Options ?? {},
        })),
      }),
    };
  } catch (thrown) {
    return { error: toError(thrown).message };
  }
}
