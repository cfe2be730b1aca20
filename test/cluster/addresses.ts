/** Which addresses a cluster's description comes to. */
import type { ClusterDescription, PlaceDescription } from './description.js';

export interface Pair {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What the router takes for virtual addresses. */
export const VIRTUAL: Pair = { ipv4: '10.200.0.0/24', ipv6: 'fd00:200::/64' };

/** The addresses of a service published on the cluster. */
export function virtualAddress(number: number): Pair {
  return addressIn(200, number);
}

export function addressIn(network: number, number: number): Pair {
  return { ipv4: `10.${network}.0.${number}`, ipv6: `fd00:${network}::${number}` };
}

export function subnetOf(network: number): Pair {
  return { ipv4: `10.${network}.0.0/24`, ipv6: `fd00:${network}::/64` };
}

/** The network of a host's own containers; the host is number 1 there. */
export function containerNetwork({ number }: PlaceDescription): number {
  return 100 + number;
}

/** @throws RangeError if there is no such network */
export function networkNumber({ networks }: ClusterDescription, name: string): number {
  const network = networks[name];
  if (network === undefined) throw new RangeError(`the cluster has no network ${name}`);
  return network.number;
}

/** A machine's address on one of its networks. */
export function addressOn(cluster: ClusterDescription, network: string, { number }: PlaceDescription): Pair {
  return addressIn(networkNumber(cluster, network), number);
}

/** The network on which one machine reaches another. @throws RangeError if they share none */
export function sharedNetwork(one: PlaceDescription, other: PlaceDescription): string {
  const shared = one.networks.find((network) => other.networks.includes(network));
  if (shared === undefined) throw new RangeError(`machines ${one.number} and ${other.number} share no network`);
  return shared;
}
