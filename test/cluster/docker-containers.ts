import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AgentProcess } from '../fixtures/agent.js';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';
import { addressIn, type Pair, subnetOf } from './addresses.js';
import { type Containers, SERVER_PORT } from './containers.js';
import type { RouteDescription } from './description.js';
import type { Place } from './place.js';

export interface DockerContainersOptions {
  readonly host: Place;
  readonly hostAddress: Pair;
  /** Number of the containers' network. */
  readonly network: number;
  readonly route: RouteDescription | undefined;
  readonly source: string;
  /** Milliseconds. */
  readonly ttl: number;
}

/** The Docker network that containers are on and that the agent advertises. */
const NETWORK = 'web';

/**
 * Node as the machine has it, and the server: an image with a copy of them would take each dockerd half a minute to
 * import in the lab's kernel.
 */
const MOUNTS = ['/usr', '/lib', '/lib64', dirname(dirname(process.execPath)), projectRoot()]
  .filter((path, index, all) => existsSync(path) && all.indexOf(path) === index)
  .flatMap((path) => ['--volume', `${path}:${path}:ro`]);

/** A dockerd in the host's namespace, and clusterf-docker beside it. */
export class DockerContainers implements Containers {
  readonly agent: AgentProcess;
  readonly #dockerd: Dockerd;
  readonly #names = new Set<string>();

  private constructor(dockerd: Dockerd, agent: AgentProcess) {
    this.#dockerd = dockerd;
    this.agent = agent;
  }

  static async create({ host, hostAddress, network, route, source, ttl }: DockerContainersOptions) {
    const dockerd = await startDockerd({ netns: host.netns, liveRestore: false });
    const subnet = subnetOf(network);
    const gateway = addressIn(network, 1);
    const subnets = [
      '--subnet',
      subnet.ipv4,
      '--gateway',
      gateway.ipv4,
      '--subnet',
      subnet.ipv6,
      '--gateway',
      gateway.ipv6,
    ];
    await dockerd.docker('network', 'create', '--ipv6', ...subnets, NETWORK);
    const where = `--config-source ${source} --ttl ${ttl}ms --docker-endpoint ${dockerd.endpoint}`;
    const self = `--host-name ${host.name} --host-address ${hostAddress.ipv4} --host-address ${hostAddress.ipv6}`;
    const agent = host.startAgent('clusterf-docker', [...`${where} ${self}`.split(' '), ...routeArgs(route)]);
    return new DockerContainers(dockerd, agent);
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  async start(name: string, service: string): Promise<void> {
    const labels = { service, 'backend.tcp': SERVER_PORT, 'backend.udp': SERVER_PORT };
    const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `clusterf.${key}=${value}`]);
    const where = ['--network', NETWORK, '--name', name, '--hostname', name];
    const server = join(projectRoot(), 'test', 'dist', 'e2e', 'server.js');
    // Attached, to hear when it listens: in the lab's kernel each start of the docker command takes a second.
    const run = ['run', ...where, ...flags, ...MOUNTS, 'busybox', process.execPath, server];
    const child = spawn('docker', ['--host', this.#dockerd.endpoint, ...run], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')]);
    if (typeof line !== 'string') throw new Error(`container ${name} ended before it served`);
    this.#names.add(name);
  }

  async stop(name: string): Promise<void> {
    await this.#dockerd.docker('rm', '--force', name);
    this.#names.delete(name);
  }

  async addressOf(name: string): Promise<Pair> {
    const format = `{{with .NetworkSettings.Networks.${NETWORK}}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
    const text = await this.#dockerd.docker('inspect', '-f', format, name);
    const [ipv4 = '', ipv6 = ''] = text.split(' ');
    return { ipv4, ipv6 };
  }

  async destroy(): Promise<void> {
    await this.#dockerd[Symbol.asyncDispose]();
    this.#names.clear();
  }
}

/** As an operator gives them to clusterf-docker. */
function routeArgs(route: RouteDescription | undefined): readonly string[] {
  if (route === undefined) return [];
  const gateways = route.viaHost ? ['--route-gateway4', 'host', '--route-gateway6', 'host'] : [];
  return ['--route-network', NETWORK, '--route-ipvs-method', route.method, ...gateways];
}
