import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AgentProcess } from '../fixtures/agent.js';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.js';
import { requireMachine } from '../lab/index.js';
import { importServerImage, SERVER_IMAGE } from './image.js';
import { type ClientNetwork, setUpNetwork } from './network.js';

const run = promisify(execFile);

/** Seconds that registrations outlive their docker-agent: short, since tests wait for them to lapse. */
export const TTL = 4;

/** One machine that is balancer and Docker host, with a client beside it: every part is the real one. */
export interface Stack extends AsyncDisposable {
  readonly etcd: EtcdProcess;
  readonly dockerd: Dockerd;
  readonly client: ClientNetwork;
  startDockerAgent(): AgentProcess;
  /** @param flags beside what the stack needs */
  startIpvsAgent(...flags: readonly string[]): AgentProcess;
  /** Both in one process, alone unless the flags say otherwise. @param flags beside what the stack needs */
  startUp(...flags: readonly string[]): AgentProcess;
  /** The kernel's table, as `ipvsadm -Ln` prints it. */
  ipvsadm(): Promise<string>;
}

/**
 * Starts all but the agents. Runs in a machine of the lab, as root.
 *
 * @param report told of each part that is ready
 */
export async function startStack(report: (part: string) => void = () => {}): Promise<Stack> {
  requireMachine();
  const parts: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(part: T): T => {
    parts.unshift(part);
    return part;
  };
  const dispose = async () => {
    for (const part of parts.splice(0)) await part[Symbol.asyncDispose]();
  };
  try {
    const client = keep(await setUpNetwork());
    const etcd = keep(await startEtcd());
    report('etcd');
    // Containers, balancer and the client's link share the machine's own network, as on a single real machine.
    const dockerd = keep(await startDockerd({ netns: '/proc/self/ns/net' }));
    report('dockerd');
    await importServerImage(dockerd);
    report(`image ${SERVER_IMAGE}`);
    const state = await mkdtemp(join(tmpdir(), 'clusterf-state-'));
    keep({ [Symbol.asyncDispose]: async () => await rm(state, { recursive: true }) });

    const source = ['--config-source', `etcd://${etcd.host}/clusterf`];
    const docker = ['--docker-endpoint', dockerd.endpoint, '--ttl', `${TTL}s`, '--host-name', 'docker1'];
    // With a brake that lets go sooner than the default 30 s.
    const ipvs = ['--state-dir', state, '--brake-hold', '3s'];
    return {
      etcd,
      dockerd,
      client,
      startDockerAgent: () => keep(new AgentProcess('clusterf-docker', [...source, ...docker])),
      startIpvsAgent: (...flags) => keep(new AgentProcess('clusterf-ipvs', [...source, ...ipvs, ...flags])),
      startUp: (...flags) => keep(new AgentProcess('clusterf', ['up', ...docker, ...ipvs, ...flags])),
      ipvsadm: async () => (await run('ipvsadm', ['-Ln'])).stdout,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
