import type { Destination } from '@clusterf/ipvs';
import type { Facts } from '../facts.js';
import { type Finding, ok, some, warn } from '../finding.js';
import { clientsDevice, deliveries, deviceTo, isLocal } from '../view.js';

/** Of most clients. */
const USUAL_MTU = 1500;

/** Whether a client's largest packet fits into the tunnel on its way to the host. */
export function checkTunnels({ ipvs, tree, network }: Facts): readonly Finding[] {
  if (ipvs === undefined) return [];
  const narrow = new Map<string, { readonly mtu: number; readonly needed: number; readonly services: Set<string> }>();
  const wide = new Set<string>();
  for (const { service, id, destination } of deliveries(tree?.own)) {
    if (destination.method !== 'tunnel' || isLocal(network, destination.address)) continue;
    const device = deviceTo(network, destination.address);
    if (device === undefined || device.loopback) continue;
    const clients = Math.min(USUAL_MTU, clientsDevice(network, id.family)?.mtu ?? USUAL_MTU);
    const needed = clients + overhead(destination);
    if (device.mtu >= needed) {
      wide.add(device.name);
      continue;
    }
    const known = narrow.get(device.name);
    const services = (known?.services ?? new Set<string>()).add(service);
    narrow.set(device.name, { mtu: device.mtu, needed: Math.max(needed, known?.needed ?? 0), services });
  }
  if (narrow.size === 0) return wide.size === 0 ? [] : [ok('tunnel MTU', `${some([...wide])}: whole packets fit`)];
  return [...narrow].map(([device, { mtu, needed, services }]) =>
    warn('tunnel MTU', {
      found: `${device} takes ${mtu} bytes; whole packets to ${some([...services])} in their tunnel are ${needed}`,
      why: 'Clients are told to send less (ICMP); those behind a firewall that drops such messages hang in long uploads.',
      mend: `ip link set dev ${device} mtu ${needed}    # and on everything between here and the hosts`,
    }),
  );
}

/** Bytes that go in front of a packet (ip_vs_tunnel_xmit and its kind in net/netfilter/ipvs/ip_vs_xmit.c). */
export function overhead({ family, tunnel }: Pick<Destination, 'family' | 'tunnel'>): number {
  const outer = family === 'ipv4' ? 20 : 40;
  const checksum = (tunnel?.checksum ?? 'none') !== 'none';
  switch (tunnel?.type ?? 'ipip') {
    case 'gre':
      return outer + (checksum ? 8 : 4);
    case 'gue':
      // UDP, the header of gue, and where it is asked for what a remote checksum takes.
      return outer + 8 + 4 + (tunnel?.checksum === 'remote-checksum' ? 8 : 0);
    case 'ipip':
      return outer;
  }
}
