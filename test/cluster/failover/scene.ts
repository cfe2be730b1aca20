import { encodeRoute, routeKey } from '@clusterf/model';
import { until } from '../../fixtures/until.js';
import { containerNetwork, subnetOf, virtualAddress } from '../addresses.js';
import { Cluster, weighs } from '../cluster.js';
import {
  CLIENTS,
  type ClusterDescription,
  edge,
  host,
  type MachineDescription,
  NETWORKS,
  ROUTER,
} from '../description.js';
import { PATIENCE } from '../router.js';
import type { Published } from '../traffic.js';
import { Crowd } from './crowd-process.js';
import { type Event, measure } from './measure.js';
import type { Outcome } from './outcome.js';
import { type FailoverProfile, PROFILES, type ProfileName, SYNC } from './profiles.js';

/** What is published on all balancers. */
export const WEB: Published = { ...virtualAddress(1), tcp: 80, udp: 80 };

export const EDGES = ['edge1', 'edge2'] as const;
export type EdgeName = (typeof EDGES)[number];

const FAMILIES = ['ipv4', 'ipv6'] as const;

function excludingKey(family: string): string {
  return routeKey(`operator-${family}`);
}

const HOSTS = ['host1', 'host2'] as const;
export type HostName = (typeof HOSTS)[number];
/** Of each host at first: two containers' of 10. */
export const WEIGHT = 20;

export interface SceneOptions {
  /** Members of etcd; default 1. */
  readonly members?: 1 | 3;
  /** A balancer is dead for the router after three times so many milliseconds of silence; default DETECTION. */
  readonly interval?: number;
}

/**
 * Milliseconds of silence after which a balancer is dead for the router. Where others use the processor too, less of it
 * takes a busy machine for a dead one.
 */
export const DETECTION = 600;
const MULTIPLIER = 3;

type Edges = Readonly<Record<EdgeName, MachineDescription>>;

/** Two balancers; one host beside them, reached by direct routing, and one a routed hop away, by tunnel. */
export function failoverCluster(
  edges: Edges,
  resilient: boolean,
  { members = 1, interval = DETECTION / MULTIPLIER }: SceneOptions,
): ClusterDescription {
  return {
    networks: NETWORKS,
    router: { ...ROUTER, resilient },
    clients: CLIENTS,
    machines: {
      ...edges,
      host1: host(21, 'fabric', {
        route: { method: 'droute', viaHost: true },
        services: { 'host1-1': 'web', 'host1-2': 'web' },
      }),
      host2: host(22, 'far', {
        route: { method: 'tunnel', viaHost: true },
        services: { 'host2-1': 'web', 'host2-2': 'web' },
      }),
    },
    etcd: { members },
    bfd: { interval, multiplier: MULTIPLIER },
  };
}

/** A cluster for failovers, and its crowd of clients. */
export class Scene implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #crowd: Crowd;
  readonly #edges: Edges;
  readonly #profile: FailoverProfile;
  readonly #balancing = new Set<EdgeName>(EDGES);
  /** Taken out; their machines are still there. */
  readonly #withdrawn = new Set<EdgeName>();

  private constructor(cluster: Cluster, edges: Edges, profile: FailoverProfile) {
    this.cluster = cluster;
    this.#edges = edges;
    this.#profile = profile;
    const targets = [WEB.ipv4, WEB.ipv6].map((address) => ({ address, port: WEB.tcp }));
    this.#crowd = new Crowd(cluster.place('client'), targets);
  }

  static async start(name: ProfileName, options: SceneOptions = {}): Promise<Scene> {
    const profile: FailoverProfile = PROFILES[name];
    const { args, sync, resilient } = profile;
    const edges = {
      edge1: edge(11, { args: [...args, '--exit-withdraw'] }),
      edge2: edge(12, { args: [...args, '--exit-withdraw'] }),
    };
    const cluster = await Cluster.start(failoverCluster(edges, resilient, options));
    if (sync) await cluster.etcd.put('sync', SYNC);
    await cluster.publish('web', WEB, EDGES);
    const scene = new Scene(cluster, edges, profile);
    await scene.balancers(EDGES);
    return scene;
  }

  /** Has an event befall the clients' connections. */
  async measure(event: Event): Promise<Outcome> {
    const { ages } = this.#profile;
    return await measure({ cluster: this.cluster, crowd: this.#crowd, port: WEB.tcp, edges: EDGES, ages }, event);
  }

  /** Makes it so that exactly these balancers are at work, and waits until they are. */
  async balancers(names: readonly EdgeName[]): Promise<void> {
    for (const name of this.#balancing) if (!names.includes(name)) await this.kill(name);
    for (const name of names) if (!this.#balancing.has(name)) await this.add(name);
    await this.balancing(names);
    for (const name of names) await this.#ready(name);
  }

  /** The power of a balancer goes. */
  async kill(name: EdgeName): Promise<void> {
    this.#balancing.delete(name);
    await this.cluster.destroy(name);
  }

  /** A balancer's agent is told to end, and takes the balancer out of service. */
  async withdraw(name: EdgeName): Promise<void> {
    this.#balancing.delete(name);
    this.#withdrawn.add(name);
    await this.cluster.machine(name).balancer.stop('SIGTERM');
  }

  /** A new balancer, or one that comes back with nothing in its kernel. */
  async add(name: EdgeName): Promise<void> {
    if (this.#withdrawn.delete(name)) await this.cluster.destroy(name);
    this.#balancing.add(name);
    await this.cluster.add(name, this.#edges[name]);
  }

  /** Waits until a balancer gives a host so much of the new connections. */
  async weighs(name: EdgeName, hostName: HostName, weight: number): Promise<void> {
    const { address } = this.cluster.machine(hostName);
    let table: readonly string[] = [];
    await until(
      `${name} gives ${hostName} the weight ${weight}`,
      async () => {
        table = await this.cluster.machine(name).table();
        const lines = table.filter((line) => line.includes(`${address.ipv4}:`) || line.includes(`${address.ipv6}]:`));
        return lines.length > 0 && lines.every((line) => weighs(line, weight));
      },
      ...PATIENCE,
    ).catch((cause: unknown) => {
      throw new Error(`${name} has\n${table.join('\n')}`, { cause });
    });
  }

  /** Has the edge send a host nothing new, as an operator may; undone by `admit`. */
  async exclude(hostName: HostName): Promise<void> {
    const prefixes = subnetOf(containerNetwork(this.cluster.machine(hostName).description));
    // A route without a method excludes what is behind it.
    for (const family of FAMILIES)
      await this.cluster.etcd.put(excludingKey(family), encodeRoute({ prefix: prefixes[family], priority: 1 }));
  }

  async admit(): Promise<void> {
    for (const family of FAMILIES) await this.cluster.etcd.remove(excludingKey(family));
  }

  /** Waits until the router spreads the service over exactly these. */
  async balancing(names: readonly EdgeName[]): Promise<void> {
    await this.cluster.reachable(WEB, names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  async #ready(name: EdgeName): Promise<void> {
    await this.cluster.balanced(name, WEB, HOSTS.length);
    if (!this.#profile.sync) return;
    await until(`${name} tells of its connections and listens`, async () => {
      const daemons = await this.cluster.place(name).run('ipvsadm', '-L', '--daemon');
      return daemons.includes('master sync daemon') && daemons.includes('backup sync daemon');
    });
  }
}
