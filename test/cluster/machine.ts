import { readFile, rm } from 'node:fs/promises';
import type { AgentProcess } from '../fixtures/agent.js';
import { addressOn, containerNetwork, type Pair } from './addresses.js';
import { Bird, clusterFile } from './bird.js';
import type { Containers } from './containers.js';
import { type BalancerDescription, type ClusterDescription, CONTROL, type MachineDescription } from './description.js';
import { DockerContainers } from './docker-containers.js';
import type { Place } from './place.js';
import { ProcessContainers } from './process-containers.js';

export interface MachineContext {
  readonly cluster: ClusterDescription;
  /** As agents take it. */
  readonly source: string;
  readonly directory: string;
  /** How long registrations outlive their host, in milliseconds. */
  readonly ttl: number;
  /** What BIRD includes as place.conf. */
  readonly definitions: string;
}

/** Where agents serve /status, on the control network. */
const STATUS_PORT = 9780;

/** A balancer, a Docker host, or both: its agents, its routing daemon and its containers. */
export class ClusterMachine {
  readonly place: Place;
  readonly description: MachineDescription;
  readonly #context: MachineContext;
  #balancer: AgentProcess | undefined;
  #bird: Bird | undefined;
  #containers: Containers | undefined;

  constructor(place: Place, description: MachineDescription, context: MachineContext) {
    this.place = place;
    this.description = description;
    this.#context = context;
  }

  /** Kernel settings and devices, then all that runs on it; etcd is there already. */
  async start(): Promise<void> {
    const { balancer } = this.description;
    await Promise.all([this.#startContainers(), balancer === undefined ? undefined : this.#startBalancing(balancer)]);
  }

  /** Its address on the network of its traffic. */
  get address(): Pair {
    const network = this.description.networks.find((name) => name !== CONTROL) ?? CONTROL;
    return addressOn(this.#context.cluster, network, this.description);
  }

  get balancer(): AgentProcess {
    return present(this.#balancer, `${this.place.name} runs no clusterf-ipvs`);
  }

  get bird(): Bird {
    return present(this.#bird, `${this.place.name} runs no BIRD`);
  }

  get containers(): Containers {
    return present(this.#containers, `${this.place.name} has no containers`);
  }

  /** @param args more of its command line, after the description's */
  startBalancer(...args: readonly string[]): AgentProcess {
    const { balancer } = this.description;
    const { kind, args: described = [] } = present(balancer, `${this.place.name} is no balancer`);
    const own = {
      config: clusterFile('agent', `${kind}.json`),
      'config-source': this.#context.source,
      'balancer-name': this.place.name,
      'state-dir': `${this.#context.directory}/${this.place.name}.state`,
      'http-listen': `${this.#controlAddress}:${STATUS_PORT}`,
      ...(kind === 'host' ? { 'only-host': this.place.name } : {}),
    };
    const flags = Object.entries(own).flatMap(([name, value]) => [`--${name}`, value]);
    this.#balancer = this.place.startAgent('clusterf-ipvs', [...flags, ...described, ...args]);
    return this.#balancer;
  }

  /** The kernel's virtual services and destinations, as `ipvsadm -Sn` prints them, a line each. */
  async table(): Promise<string[]> {
    return (await this.place.run('ipvsadm', '-Sn')).split('\n').filter(Boolean).toSorted();
  }

  /** The power goes: silent at once, then gone with its kernel's tables and its containers. */
  async destroy(): Promise<void> {
    await this.place.cut();
    await this.place.killProcesses();
    await this.#containers?.destroy();
    await this.place.destroy();
    // What its daemons kept, in the kernel's memory as /run is: a machine of this name begins anew.
    const { directory } = this.#context;
    for (const kept of ['state', 'bird'])
      await rm(`${directory}/${this.place.name}.${kept}`, { recursive: true, force: true });
  }

  get #controlAddress(): string {
    return addressOn(this.#context.cluster, CONTROL, this.description).ipv4;
  }

  async #startContainers(): Promise<void> {
    const { containers } = this.description;
    if (containers === undefined) return;
    const { source, ttl, directory } = this.#context;
    const { place: host, address: hostAddress } = this;
    const options = { host, hostAddress, network: containerNetwork(this.description), source, ttl, directory };
    const { route, services = {} } = containers;
    const started =
      containers.run === 'dockerd'
        ? await DockerContainers.create({ ...options, route })
        : await ProcessContainers.create({ ...options, route });
    this.#containers = started;
    await Promise.all(Object.entries(services).map(async ([name, service]) => await started.start(name, service)));
  }

  async #startBalancing({ kind, announce = false }: BalancerDescription): Promise<void> {
    const settings = kind === 'edge' ? ['edge'] : ['masquerading'];
    await this.place.run('sysctl', '-q', ...settings.flatMap((name) => ['-p', clusterFile('sysctl', `${name}.conf`)]));
    if (kind === 'host') await this.#prepareTunnels();
    const { definitions, directory } = this.#context;
    if (announce) this.#bird = await Bird.start(this.place, 'edge', definitions, directory);
    this.startBalancer();
  }

  /** Whatever the edge's tunnels are of. */
  async #prepareTunnels(): Promise<void> {
    const modules = await readFile(clusterFile('tunnel', 'modules.conf'), 'utf8');
    await this.place.run('modprobe', '--all', ...modules.split('\n').filter((line) => /^\w/.test(line)));
    for (const file of ['decapsulate', 'decapsulate-gue', 'decapsulate-gre'])
      await this.place.run('ip', '-batch', clusterFile('tunnel', `${file}.ip`));
  }
}

function present<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new RangeError(otherwise);
  return value;
}
