/** From a cluster's description to what `ip -batch` reads. Pure. */
import {
  addressIn,
  addressOn,
  containerNetwork,
  networkNumber,
  type Pair,
  sharedNetwork,
  subnetOf,
} from './addresses.js';
import { type ClusterDescription, CONTROL, type MachineDescription, type PlaceDescription } from './description.js';

/** The end of the tests' own process on the control network. */
export const OBSERVER = 254;

/** The bridge of a host's containers, on the host. */
export const CONTAINER_BRIDGE = 'containers';

type Lines = readonly string[];

/** Everything with a network namespace of its own, by name. */
export function places(cluster: ClusterDescription): ReadonlyMap<string, PlaceDescription> {
  const { router, clients, machines, etcd } = cluster;
  const members = Array.from({ length: etcd.members }, (_, index) => {
    const place: PlaceDescription = { number: 31 + index, networks: [CONTROL] };
    return [`etcd${index + 1}`, place] as const;
  });
  return new Map<string, PlaceDescription>([
    ...(router === undefined ? [] : [['router', router] as const]),
    ...Object.entries(clients),
    ...Object.entries(machines),
    ...members,
  ]);
}

/** In the machine's own namespace: the networks, each a bridge. */
export function networkLines({ networks }: ClusterDescription): Lines {
  return Object.entries(networks).flatMap(([name, { number, mtu = 1500 }]) => [
    // Without snooping, multicast (neighbour discovery, sync daemons) goes to all at once, before anybody has joined.
    `link add ${name} mtu ${mtu} type bridge forward_delay 0 mcast_snooping 0`,
    ...(name === CONTROL ? [`address add ${addressIn(number, OBSERVER).ipv4}/24 dev ${name}`] : []),
    `link set ${name} up`,
  ]);
}

/** In the machine's own namespace: a place, and its links to the networks. */
export function placeLines(cluster: ClusterDescription, name: string, place: PlaceDescription): Lines {
  return [
    `netns add ${name}`,
    ...place.networks.flatMap((network) => {
      const port = portName(name, network);
      const mtu = cluster.networks[network]?.mtu ?? 1500;
      return [
        `link add ${port} mtu ${mtu} type veth peer name ${network} mtu ${mtu} netns ${name}`,
        `link set ${port} master ${network} up`,
      ];
    }),
  ];
}

/** A place's end of a link, where it is plugged into the network. @throws RangeError if the kernel takes no such name */
export function portName(place: string, network: string): string {
  const name = `${place}-${network}`;
  if (name.length > 15) throw new RangeError(`${name}: an interface's name has 15 characters at most`);
  return name;
}

/** In the place's namespace: addresses and routes. */
export function insideLines(cluster: ClusterDescription, place: PlaceDescription & MachineDescription): Lines {
  return [
    'link set lo up',
    ...place.networks.flatMap((network) => [
      ...addressLines(network, addressOn(cluster, network, place)),
      `link set ${network} up`,
    ]),
    ...(place.containers?.run === 'processes' ? bridgeLines(place) : []),
    ...defaultRoutes(cluster, place),
    ...(place.reaches ?? []).flatMap((name) => {
      const host = machine(cluster, name);
      const { ipv4, ipv6 } = subnetOf(containerNetwork(host));
      const via = addressOn(cluster, sharedNetwork(place, host), host);
      return [`route add ${ipv4} via ${via.ipv4}`, `route add ${ipv6} via ${via.ipv6}`];
    }),
  ];
}

/** In a host's namespace: a container, linked to the bridge of its containers. */
export function containerLines(container: string): Lines {
  return [
    `link add ${container} type veth peer name eth0 netns ${container}`,
    `link set ${container} master ${CONTAINER_BRIDGE} up`,
  ];
}

/** In the container's namespace. */
export function insideContainerLines(network: number, address: Pair): Lines {
  const host = addressIn(network, 1);
  return [
    'link set lo up',
    ...addressLines('eth0', address),
    'link set eth0 up',
    `route add default via ${host.ipv4}`,
    `route add ::/0 via ${host.ipv6}`,
  ];
}

function bridgeLines(host: PlaceDescription): Lines {
  return [
    // An address of its own, as Docker gives its bridges: else it is the smallest of its ports', and changes with them.
    `link add ${CONTAINER_BRIDGE} address 02:42:00:00:00:01 type bridge forward_delay 0 mcast_snooping 0`,
    ...addressLines(CONTAINER_BRIDGE, addressIn(containerNetwork(host), 1)),
    `link set ${CONTAINER_BRIDGE} up`,
  ];
}

/** IPv6 addresses are of use at once, not after a second of looking for duplicates. */
function addressLines(device: string, { ipv4, ipv6 }: Pair): Lines {
  return [`address add ${ipv4}/24 dev ${device}`, `address add ${ipv6}/64 dev ${device} nodad`];
}

function defaultRoutes(cluster: ClusterDescription, place: PlaceDescription): Lines {
  const { router } = cluster;
  if (place === router) return [];
  const gateway = place.gateway === undefined ? router : machine(cluster, place.gateway);
  const network = gateway && place.networks.find((name) => gateway.networks.includes(name));
  if (gateway === undefined || network === undefined || network === CONTROL) return [];
  const { ipv4, ipv6 } = addressOn(cluster, network, gateway);
  return [`route add default via ${ipv4}`, `route add ::/0 via ${ipv6}`];
}

function machine({ machines }: ClusterDescription, name: string): MachineDescription {
  const found = machines[name];
  if (found === undefined) throw new RangeError(`the cluster has no machine ${name}`);
  return found;
}

/** `define` lines for BIRD: what bird/edge.conf and bird/router.conf include as place.conf. */
export function birdDefinitions(cluster: ClusterDescription, place: PlaceDescription, virtual: Pair): string {
  const { router, bfd } = cluster;
  if (router === undefined) throw new RangeError('the cluster has no router to announce anything to');
  const network = router.neighbours;
  const at = addressOn(cluster, network, router);
  const neighbours = subnetOf(networkNumber(cluster, network));
  const definitions: Record<string, string | number> = {
    PLACE: addressOn(cluster, network, place).ipv4,
    ROUTER_AS: 65000,
    EDGE_AS: 65001,
    BFD_INTERVAL: bfd.interval,
    BFD_MULTIPLIER: bfd.multiplier,
    ...(place === router
      ? {
          EDGE4: neighbours.ipv4,
          EDGE6: neighbours.ipv6,
          VIRTUAL4: `[ ${virtual.ipv4}+ ]`,
          VIRTUAL6: `[ ${virtual.ipv6}+ ]`,
          ANNOUNCED: router.resilient === true ? RESILIENT_TABLE : MAIN_TABLE,
        }
      : { ROUTER4: at.ipv4, ROUTER6: at.ipv6 }),
  };
  const lines = Object.entries(definitions).map(([name, value]) => `define ${name} = ${value};\n`);
  return lines.join('');
}

/** The kernel's main table of routes. */
const MAIN_TABLE = 254;
/** Read by nobody but resilient-routes, which makes routes of the main table of it. */
export const RESILIENT_TABLE = 100;
