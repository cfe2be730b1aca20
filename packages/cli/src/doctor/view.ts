/** Questions that several checks ask of the facts. */
import type { Destination, VirtualServiceId } from '@clusterf/ipvs';
import type { Desired } from '@clusterf/ipvs-agent';
import { type Family, parseAddress, prefixContains } from '@clusterf/model';
import { parseSourceUrl } from '@clusterf/store';
import type { Facts, Interface, Network } from './facts.js';
import { defaultRoute, routeTo } from './proc-net.js';

/** One destination of one virtual service, with the name that the tree has for it. */
export interface Delivery {
  readonly service: string;
  readonly id: VirtualServiceId;
  readonly destination: Destination;
}

export function deliveries(desired: Desired | undefined): readonly Delivery[] {
  return [...(desired?.values() ?? [])].flatMap(({ service, destinations }) =>
    [...destinations.values()].map((destination) => ({ service: service.serviceName, id: service.id, destination })),
  );
}

/** Whether packets to an address end on this machine. */
export function isLocal({ local }: Network, text: string): boolean {
  const address = parseAddress(text);
  return address.ok && local.some((prefix) => prefixContains(prefix, address.value));
}

/** The device by which packets to an address leave. */
export function deviceTo(network: Network, text: string): Interface | undefined {
  const address = parseAddress(text);
  const route = address.ok ? routeTo(network.routes, address.value) : undefined;
  return network.interfaces.find(({ name }) => name === route?.device);
}

/** The device by which clients are reached, as far as the default route says. */
export function clientsDevice(network: Network, family: Family): Interface | undefined {
  const route = defaultRoute(network.routes, family);
  return network.interfaces.find(({ name }) => name === route?.device);
}

/** The stricter of a setting for all devices and for one: what counts of rp_filter, arp_ignore and arp_announce. */
export function effective({ sysctls }: Network, setting: string, device: string): number {
  const of = (name: string) => Number(sysctls.get(`net.ipv4.conf.${name}.${setting}`) ?? 0);
  return Math.max(of('all'), of(device.replaceAll('.', '/')));
}

/** What is sent to addresses of this machine for it to balance onward, or to take out of a tunnel. */
export function received({ tree, network }: Facts, method: 'droute' | 'tunnel'): readonly Delivery[] {
  return deliveries(tree?.edge).filter(
    ({ destination }) => destination.method === method && isLocal(network, destination.address),
  );
}

/** A command of ours on the tree that the agents read; what is in the memory of `clusterf up` is labels' to change. */
export function onTree({ ipvs, docker, up }: Facts, words: string): string {
  const source = ipvs?.sources.at(-1) ?? docker?.source ?? 'etcd:';
  if (source === 'etcd:') return `clusterf ${words}`;
  if (up?.inMemory === true && parseSourceUrl(source).type === 'memory')
    return '# the tree is made of containers’ labels: clusterf explain CONTAINER says what they come to';
  return `clusterf ${words} --config-source ${source}`;
}

/** `10.0.0.1/32`, as ip and iptables write it. */
export function single(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
