/** The cluster that the control plane is measured in. */
import { addressIn, addressOn, containerNetwork, subnetOf } from '../../cluster/addresses.js';
import {
  CLIENTS,
  type ClusterDescription,
  CONTROL,
  edge,
  type MachineDescription,
  NETWORKS,
} from '../../cluster/description.js';

/** Of all servers and services. */
export const PORT = 80;

/** A server, or a balancer of some other kind: no agent of ours. */
function plain(number: number, gateway?: string): MachineDescription {
  return { number, networks: ['fabric'], ...(gateway === undefined ? {} : { gateway }) };
}

const MACHINES = {
  // With droute it sees no answers, so that a connection that failed would keep its destination for the default of a
  // minute, and the next run would find it there.
  edge: edge(12, { announce: false, args: ['--drain-timeout', '2s'] }),
  keepd: plain(14),
  /** Runs dockerd, and balances for its own containers. */
  docker: { number: 22, networks: ['fabric', CONTROL], balancer: { kind: 'host' } },
  near1: plain(41),
  near2: plain(42),
  keepd1: plain(45, 'keepd'),
  keepd2: plain(46, 'keepd'),
} as const satisfies Readonly<Record<string, MachineDescription>>;

export type MachineName = keyof typeof MACHINES;

export const CLUSTER: ClusterDescription = {
  networks: { outside: NETWORKS.outside, fabric: NETWORKS.fabric, [CONTROL]: NETWORKS[CONTROL] },
  router: { number: 1, networks: ['outside', 'fabric'], neighbours: 'fabric' },
  clients: CLIENTS,
  machines: MACHINES,
  etcd: { members: 1 },
  // Nobody announces anything: the routes are set.
  bfd: { interval: 1000, multiplier: 5 },
};

export function addressOf(name: MachineName): string {
  return addressOn(CLUSTER, 'fabric', MACHINES[name]).ipv4;
}

/** The network of the docker machine's containers. */
export const CONTAINERS = {
  subnet: subnetOf(containerNetwork(MACHINES.docker)).ipv4,
  gateway: addressIn(containerNetwork(MACHINES.docker), 1).ipv4,
} as const;

/** The services' addresses, and the machine that the router sends what is for them to. */
export const SERVICES = {
  /** The docker machine's clusterf-ipvs alone. */
  oneTier: { address: addressIn(200, 1).ipv4, through: 'docker' },
  /** The edge's, before it. */
  twoTiers: { address: addressIn(200, 2).ipv4, through: 'edge' },
  /** The edge's, of servers that nobody but the tree knows of. */
  tree: { address: addressIn(200, 3).ipv4, through: 'edge' },
  keepalived: { address: addressIn(200, 4).ipv4, through: 'keepd' },
} as const satisfies Readonly<Record<string, { readonly address: string; readonly through: MachineName }>>;

export type ServiceName = keyof typeof SERVICES;
