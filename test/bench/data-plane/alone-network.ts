/**
 * The balancer alone in its kernel: client and servers are network namespaces of the host, each of their links ends in
 * an interface of the balancer's machine. Replies of droute take a link of their own past it. No tunnel: few build
 * machines' kernels could take packets out of it.
 */
import { addressIn } from '../../cluster/addresses.js';
import type { Way } from './topology.js';

/** By the name of the place on the host, the network that joins it with the balancer; the balancer is number 1 there. */
export const NETWORKS = { client: 1, behind: 2, straight: 3 } as const;
export type PlaceName = keyof typeof NETWORKS;
export const PLACES = ['client', 'behind', 'straight'] as const satisfies readonly PlaceName[];

/** Between client and `straight`. */
const PAST = 4;
const CLIENT_NUMBER = 51;
const SERVER_NUMBERS = [41, 42] as const;
/**
 * The same servers by addresses that nobody balances: IPVS takes what comes from one of its destinations to a client's port
 * for the answer of a connection that it still remembers.
 */
const UNBALANCED_NUMBERS = [43, 44] as const;

export function balancerAddress(place: PlaceName): string {
  return addressIn(NETWORKS[place], 1).ipv4;
}

function serversAt(place: 'behind' | 'straight'): readonly [string, string] {
  const [one, other] = SERVER_NUMBERS;
  return [addressIn(NETWORKS[place], one).ipv4, addressIn(NETWORKS[place], other).ipv4];
}

function published(method: 'masq' | 'droute', servers: readonly string[]): NonNullable<Way['published']> {
  return { method, backends: servers.map((address) => ({ address })), destinations: {} };
}

const VIRTUAL = [1, 2, 3, 4].map((number) => addressIn(200, number).ipv4);
const [MASQ = '', DROUTE = '', HAPROXY = '', NGINX = ''] = VIRTUAL;

export const BEHIND = serversAt('behind');

/** What is measured. */
export const ALONE = {
  forwarded: {
    title: 'routed, not balanced',
    targets: UNBALANCED_NUMBERS.map((number) => addressIn(NETWORKS.behind, number).ipv4),
  },
  masq: { title: 'IPVS masq', targets: [MASQ], published: published('masq', BEHIND) },
  droute: { title: 'IPVS droute', targets: [DROUTE], published: published('droute', serversAt('straight')) },
  haproxy: { title: 'HAProxy, TCP mode', targets: [HAPROXY] },
  nginx: { title: 'nginx, stream', targets: [NGINX] },
} as const satisfies Readonly<Record<string, Way>>;

/** The addresses that the proxies listen on. */
export const PROXIED = { haproxy: HAPROXY, nginx: NGINX } as const;

/** On the host: the end of a place's link that the balancer's machine takes. */
export function wireName(place: PlaceName): string {
  return `to-${place}`;
}

/** In the host's own namespace. */
export function wireLines(): readonly string[] {
  return PLACES.flatMap((place) => [
    `netns add ${place}`,
    `link add ${wireName(place)} type veth peer name balancer netns ${place}`,
    `link set ${wireName(place)} up`,
  ]);
}

/** In the place's. */
export function insideLines(place: PlaceName): readonly string[] {
  const numbers = place === 'client' ? [CLIENT_NUMBER] : [...SERVER_NUMBERS, ...UNBALANCED_NUMBERS];
  return [
    'link set lo up',
    'link set balancer up',
    ...numbers.map((number) => `address add ${addressIn(NETWORKS[place], number).ipv4}/24 dev balancer`),
    ...(place === 'straight' ? [] : [`route add default via ${balancerAddress(place)}`]),
  ];
}

/** In `straight`, whose link it makes, then in `client`. The servers have the virtual address themselves. */
export const PAST_LINES = {
  straight: [
    'link add past type veth peer name past netns client',
    `address add ${addressIn(PAST, 2).ipv4}/24 dev past`,
    'link set past up',
    `address add ${DROUTE}/32 dev lo`,
  ],
  client: [`address add ${addressIn(PAST, 1).ipv4}/24 dev past`, 'link set past up'],
} as const;
/** In `straight`, once both ends are up. */
export const WAY_PAST = `route add 10.${NETWORKS.client}.0.0/24 via ${addressIn(PAST, 1).ipv4}`;

/** In the balancer's machine. */
export function balancerLines(): readonly string[] {
  return [
    ...PLACES.flatMap((place, index) => [
      `address add ${balancerAddress(place)}/24 dev vec${index}`,
      `link set vec${index} up`,
    ]),
    ...Object.values(PROXIED).map((address) => `address add ${address}/32 dev lo`),
  ];
}
