/**
 * A cluster as plain data: networks, and the machines on them with what each does. `startCluster` builds it in one
 * kernel. addresses.ts says which addresses follow from it.
 */

/** An Ethernet. Its addresses are 10.<number>.0.0/24 and fd00:<number>::/64. */
export interface NetworkDescription {
  readonly number: number;
  /** Bytes; default 1500. */
  readonly mtu?: number;
}

/** A machine; its address on each of its networks ends with its number. */
export interface PlaceDescription {
  /** 1 to 99; hosts' containers are on network 100 + number. */
  readonly number: number;
  /** Names of networks; the machine's interfaces have the same names. */
  readonly networks: readonly string[];
  /** The machine that its default route leads to; default: the router, where there is one on a network of its. */
  readonly gateway?: string;
  /** Hosts whose containers it reaches directly: a static route to each. */
  readonly reaches?: readonly string[];
}

/** A file of agent/ and of sysctl/ for each: what clusterf-ipvs does here. */
export type BalancerKind = 'edge' | 'host' | 'standalone';

export interface BalancerDescription {
  readonly kind: BalancerKind;
  /** More of clusterf-ipvs's command line; overrides the file. */
  readonly args?: readonly string[];
  /** Whether BIRD announces the virtual addresses to the router. */
  readonly announce?: boolean;
}

/** How balancers reach a host's containers, as the host advertises it in the tree. */
export interface RouteDescription {
  readonly method: 'masq' | 'droute' | 'tunnel';
  /** Whether the host itself is the gateway: the two tiers. Else packets go straight to the containers. */
  readonly viaHost: boolean;
  readonly tunnel?: { readonly type: 'ipip' | 'gue' | 'gre'; readonly port?: number };
}

export interface ContainersDescription {
  /**
   * `processes`: a network namespace and a process each, registered through the real store (0.5 s each).
   * `dockerd`: a real one, with clusterf-docker (many seconds, and 250 MB of memory).
   */
  readonly run: 'processes' | 'dockerd';
  readonly route?: RouteDescription;
  /** What runs from the start: the service each container serves, by the containers' names. */
  readonly services?: Readonly<Record<string, string>>;
}

export interface MachineDescription extends PlaceDescription {
  readonly balancer?: BalancerDescription;
  readonly containers?: ContainersDescription;
}

export interface ClusterDescription {
  readonly networks: Readonly<Record<string, NetworkDescription>>;
  /** Joins all networks but the control network. */
  readonly router?: PlaceDescription & {
    /** The network that balancers announce themselves on. */
    readonly neighbours: string;
    /** Routes that keep flows where they are when balancers come and go (router/resilient-routes.js). */
    readonly resilient?: boolean;
  };
  readonly clients: Readonly<Record<string, PlaceDescription>>;
  readonly machines: Readonly<Record<string, MachineDescription>>;
  /** On the network called `control`, which all machines with agents are on too. */
  readonly etcd: { readonly members: 1 | 3 };
  /** Milliseconds between packets, and how many have to be missed. */
  readonly bfd: { readonly interval: number; readonly multiplier: number };
}

/** Where agents speak with etcd: apart from the traffic, so that either can be cut alone. */
export const CONTROL = 'control';

/** The networks of the descriptions below. */
export const NETWORKS = {
  outside: { number: 1 },
  /** Balancers and hosts on one Ethernet. */
  fabric: { number: 2 },
  /** Hosts one routed hop away from the balancers. */
  far: { number: 3 },
  [CONTROL]: { number: 9 },
} as const satisfies Readonly<Record<string, NetworkDescription>>;

/** The router of the descriptions below. */
export const ROUTER = { number: 1, networks: ['outside', 'fabric', 'far'], neighbours: 'fabric' } as const;
/** Their one client. */
export const CLIENTS = { client: { number: 51, networks: ['outside'] } } as const;
/** Patient: a lab machine may stand still for a second when its host is busy. Failover tests want less. */
export const BFD = { interval: 300, multiplier: 5 } as const;

/** An edge balancer: spreads what the router sends it over the hosts. */
export function edge(number: number, balancer: Partial<BalancerDescription> = {}): MachineDescription {
  return { number, networks: ['fabric', CONTROL], balancer: { kind: 'edge', announce: true, ...balancer } };
}

/** A Docker host that balances what the edge sends it over its own containers. */
export function host(
  number: number,
  network: 'fabric' | 'far',
  containers: Omit<ContainersDescription, 'run'> & { readonly run?: ContainersDescription['run'] },
): MachineDescription {
  return {
    number,
    networks: [network, CONTROL],
    balancer: { kind: 'host' },
    containers: { run: 'processes', ...containers },
  };
}

export interface TwoTierSize {
  readonly edges: number;
  readonly hosts: number;
  readonly containers: number;
  /** How the edge reaches the hosts; they are on the fabric with `droute`, a routed hop away with `tunnel`. */
  readonly method: 'droute' | 'tunnel';
  readonly members?: 1 | 3;
  readonly resilient?: boolean;
  readonly bfd?: ClusterDescription['bfd'];
  /** More of the edge agents' command lines. */
  readonly edgeArgs?: readonly string[];
}

/** Edges edge1 …, hosts host1 …, each with containers host1-1 … of one service, `web`. */
export function twoTiers(size: TwoTierSize): ClusterDescription {
  const { method, members = 1, resilient = false, bfd = BFD, edgeArgs = [] } = size;
  const network = method === 'droute' ? 'fabric' : 'far';
  const edges = upTo(size.edges).map((n) => [`edge${n}`, edge(10 + n, { args: edgeArgs })] as const);
  const hosts = upTo(size.hosts).map((n) => {
    const services = Object.fromEntries(upTo(size.containers).map((c) => [`host${n}-${c}`, 'web']));
    return [`host${n}`, host(20 + n, network, { route: { method, viaHost: true }, services })] as const;
  });
  return {
    networks: NETWORKS,
    router: { ...ROUTER, resilient },
    clients: CLIENTS,
    machines: Object.fromEntries([...edges, ...hosts]),
    etcd: { members },
    bfd,
  };
}

function upTo(n: number): readonly number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}

/** One balancer that masquerades, and a host behind it whose way out it is. */
export function singleTier(): ClusterDescription {
  const { number, networks } = edge(11);
  const balancer: BalancerDescription = { kind: 'standalone', announce: true };
  return {
    networks: NETWORKS,
    router: ROUTER,
    clients: CLIENTS,
    machines: {
      edge1: { number, networks, balancer, reaches: ['host1'] },
      host1: {
        number: 21,
        networks: ['fabric', CONTROL],
        gateway: 'edge1',
        containers: {
          run: 'processes',
          route: { method: 'masq', viaHost: false },
          services: { 'host1-1': 'web', 'host1-2': 'web' },
        },
      },
    },
    etcd: { members: 1 },
    bfd: BFD,
  };
}

/** A single machine that is balancer and Docker host. */
export function allInOne(): ClusterDescription {
  return {
    networks: NETWORKS,
    router: ROUTER,
    clients: CLIENTS,
    machines: {
      all1: {
        number: 11,
        networks: ['fabric', CONTROL],
        balancer: { kind: 'standalone', announce: true },
        containers: { run: 'processes', services: { 'all1-1': 'web', 'all1-2': 'web' } },
      },
    },
    etcd: { members: 1 },
    bfd: BFD,
  };
}
