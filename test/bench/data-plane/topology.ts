/** The cluster that the data plane is measured in: one client, one router, and every contender's balancer beside each other. */
import { encodeBackend, encodeFrontend, type Frontend } from '@clusterf/model';
import { addressIn, addressOn, containerNetwork } from '../../cluster/addresses.js';
import {
  CLIENTS,
  type ClusterDescription,
  CONTROL,
  type MachineDescription,
  NETWORKS,
} from '../../cluster/description.js';

/** What the small requests are for, and what iperf3 is. */
export const PORTS = { requests: 80, bulk: 5201 } as const;

/** A balancer of some other kind, or a server: no agent of ours. */
function plain(number: number, gateway?: string): MachineDescription {
  return { number, networks: ['fabric'], ...(gateway === undefined ? {} : { gateway }) };
}

/** A Docker host, which masquerades for its containers. */
function dockerHost(number: number, method: 'droute' | 'tunnel'): MachineDescription {
  return {
    number,
    networks: ['fabric', CONTROL],
    balancer: { kind: 'host' },
    containers: { run: 'processes', route: { method, viaHost: true } },
  };
}

const MACHINES = {
  masq: { number: 11, networks: ['fabric', CONTROL], balancer: { kind: 'standalone' } },
  edge: { number: 12, networks: ['fabric', CONTROL], balancer: { kind: 'edge' } },
  proxy: plain(13),
  keepd: plain(14),
  // No other's: IPVS would take its replies for those of connections that it knows, once ports are used again.
  relay: plain(15),
  near: dockerHost(21, 'droute'),
  far: dockerHost(22, 'tunnel'),
  web1: plain(41),
  web2: plain(42),
  // Replies of masqueraded connections have to pass the balancer.
  masq1: plain(43, 'masq'),
  masq2: plain(44, 'masq'),
  keepd1: plain(45, 'keepd'),
  keepd2: plain(46, 'keepd'),
  relay1: plain(47, 'relay'),
  relay2: plain(48, 'relay'),
} as const satisfies Readonly<Record<string, MachineDescription>>;

export type MachineName = keyof typeof MACHINES;

/** The machines that serve, but for containers. */
export const SERVERS = ['web1', 'web2', 'masq1', 'masq2', 'keepd1', 'keepd2', 'relay1', 'relay2'] as const;

/** All on one Ethernet, so that each way from the client to a server differs only by what is in it. */
export const CLUSTER: ClusterDescription = {
  networks: { outside: NETWORKS.outside, fabric: NETWORKS.fabric, [CONTROL]: NETWORKS[CONTROL] },
  router: { number: 1, networks: ['outside', 'fabric'], neighbours: 'fabric' },
  clients: CLIENTS,
  machines: MACHINES,
  etcd: { members: 1 },
  // Nobody announces anything: which way an address leads is set, for each contender.
  bfd: { interval: 1000, multiplier: 5 },
};

export const CLIENT = addressOn(CLUSTER, 'outside', CLIENTS.client).ipv4;

export function addressOf(name: MachineName): string {
  return addressOn(CLUSTER, 'fabric', MACHINES[name]).ipv4;
}

/** The hosts with containers; a container's number is that of its address. */
export const HOSTS = ['near', 'far'] as const;
export const CONTAINER_NUMBERS = [2, 3] as const;

export function containerName(host: (typeof HOSTS)[number], number: number): string {
  return `${host}-${number}`;
}

export function containerAddress(host: (typeof HOSTS)[number], number: number): string {
  return addressIn(networkOf(host), number).ipv4;
}

/** The number of a host's network of containers. */
export function networkOf(host: (typeof HOSTS)[number]): number {
  return containerNetwork(MACHINES[host]);
}

/** A way for the client's requests to servers; each has two servers. */
export interface Way {
  /** As the report calls it. */
  readonly title: string;
  /** What the client asks. */
  readonly targets: readonly string[];
  /** The machine that the router sends what is for the targets to; none: straight to the servers. */
  readonly through?: MachineName;
  /** What our agents are told of it, if they balance it. */
  readonly published?: {
    readonly method?: Frontend['method'];
    readonly backends: readonly { readonly address: string; readonly host?: string }[];
    /** How many destinations each machine on the way comes to have for it, both services together. */
    readonly destinations: Partial<Record<MachineName, number>>;
  };
}

function virtual(number: number): { readonly targets: readonly string[] } {
  return { targets: [addressIn(200, number).ipv4] };
}

const WEB = [addressOf('web1'), addressOf('web2')] as const;
const BEHIND_MASQ = [addressOf('masq1'), addressOf('masq2')] as const;

function containersOf(host: (typeof HOSTS)[number]): readonly { readonly address: string; readonly host: string }[] {
  return CONTAINER_NUMBERS.map((number) => ({ address: containerAddress(host, number), host }));
}

/** What everything is compared with, and what is compared. */
export const WAYS = {
  direct: { title: 'direct: client, router, server', targets: WEB },
  forwarded: {
    title: 'routed by one more machine, not balanced',
    targets: [addressOf('relay1'), addressOf('relay2')],
    through: 'relay',
  },
  masq: {
    title: 'IPVS masq',
    ...virtual(1),
    through: 'masq',
    published: { method: 'masq', backends: BEHIND_MASQ.map((address) => ({ address })), destinations: { masq: 3 } },
  },
  keepalived: { title: 'IPVS masq, programmed by keepalived', ...virtual(2), through: 'keepd' },
  droute: {
    title: 'IPVS droute',
    ...virtual(3),
    through: 'edge',
    published: { method: 'droute', backends: WEB.map((address) => ({ address })), destinations: { edge: 3 } },
  },
  tunnel: {
    title: 'IPVS tunnel',
    ...virtual(4),
    through: 'edge',
    published: { method: 'tunnel', backends: WEB.map((address) => ({ address })), destinations: { edge: 3 } },
  },
  twoTierDroute: {
    title: 'two tiers: IPVS droute, then masq',
    ...virtual(5),
    through: 'edge',
    // To the edge both containers are one: their host.
    published: { backends: containersOf('near'), destinations: { edge: 2, near: 3 } },
  },
  twoTierTunnel: {
    title: 'two tiers: IPVS tunnel, then masq',
    ...virtual(6),
    through: 'edge',
    // To the edge both containers are one: their host.
    published: { backends: containersOf('far'), destinations: { edge: 2, far: 3 } },
  },
  haproxy: { title: 'HAProxy, TCP mode', ...virtual(7), through: 'proxy' },
  nginx: { title: 'nginx, stream', ...virtual(8), through: 'proxy' },
} as const satisfies Readonly<Record<string, Way>>;

export type WayName = keyof typeof WAYS;

/** In the order in which they take turns. */
export const WAY_NAMES = Object.keys(WAYS).filter(isWay);

function isWay(name: string): name is WayName {
  return Object.hasOwn(WAYS, name);
}

export function wayOf(name: WayName): Way {
  return WAYS[name];
}

/** The one address that a balanced way has. */
export function virtualAddressOf(name: WayName): string {
  const [target] = WAYS[name].targets;
  return target;
}

/**
 * The tree that our agents get, by path below the prefix. The two connections of iperf3 have to meet the same server, so
 * its service has one.
 */
export function treeOf(ways: readonly (readonly [string, Way])[]): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (const [name, { targets, published }] of ways) {
    const [ipv4] = targets;
    if (published === undefined || ipv4 === undefined) continue;
    for (const [kind, tcp] of Object.entries(PORTS)) {
      const { method, backends } = published;
      entries.set(`services/${name}-${kind}/frontend`, encodeFrontend({ ipv4, tcp, ...(method && { method }) }));
      const taking = kind === 'bulk' ? backends.slice(0, 1) : backends;
      for (const [index, { address, host }] of taking.entries())
        entries.set(
          `services/${name}-${kind}/backends/server${index + 1}`,
          encodeBackend({ ipv4: address, tcp, weight: 10, ...(host && { host }) }),
        );
    }
  }
  return entries;
}
