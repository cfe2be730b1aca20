/** Addresses that nothing can be published on or sent to, whatever the machine: told before the kernel is asked. */
import { type Address, parseAddress } from '@clusterf/model';
import { PrefixMap } from './prefix-map.js';

/**
 * IPVS schedules packets that come to this host alone (PACKET_HOST in ip_vs_in), and no packet is sent to the
 * unspecified address. The kernel takes such virtual services, and nothing would ever reach them.
 */
const NEVER_VIRTUAL = table({
  '0.0.0.0/32': 'is the unspecified address',
  '255.255.255.255/32': 'is the broadcast address',
  '224.0.0.0/4': 'is a multicast address',
  '::/128': 'is the unspecified address',
  'ff00::/8': 'is a multicast address',
});

/**
 * The kernel takes unicast addresses only (ip_vs_new_dest). What depends on the balancer's own addresses and routes,
 * such as the broadcast address of a network it is in, is left for it to refuse. It would take a link-local
 * address where that is its own; but what is written for all balancers is none.
 */
const NEVER_DESTINATION = table({
  '0.0.0.0/32': 'is the unspecified address',
  '255.255.255.255/32': 'is the broadcast address',
  '224.0.0.0/4': 'is a multicast address',
  '::/128': 'is the unspecified address',
  'ff00::/8': 'is a multicast address',
  'fe80::/10': 'is a link-local address',
  '::ffff:0:0/96': 'is an IPv4 address in IPv6 dress',
});

const LOOPBACK = table({ '127.0.0.0/8': true, '::1/128': true });

/** Why nothing can be published on an address, if so. */
export function neverVirtual(text: string): string | undefined {
  const address = parseAddress(text);
  return address.ok ? NEVER_VIRTUAL.lookup(address.value) : undefined;
}

/** Why nothing can be sent on to an address, if so. */
export function neverDestination(address: Address): string | undefined {
  return NEVER_DESTINATION.lookup(address);
}

export function isLoopback(address: Address): boolean {
  return LOOPBACK.lookup(address) === true;
}

function table<T>(values: Readonly<Record<string, T>>): PrefixMap<T> {
  const map = new PrefixMap<T>();
  for (const [prefix, value] of Object.entries(values)) map.add(prefix, value);
  return map;
}
