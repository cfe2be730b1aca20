/** A sysctl by its dotted name, and why it is so. */
export interface ArpSysctl {
  readonly name: string;
  readonly value: string;
  readonly why: string;
}

/**
 * What keeps a machine that has the virtual addresses on a dummy device from answering its neighbours for them: needed
 * on hosts that share an Ethernet with the balancer and get its packets by direct routing, harmful where neighbours
 * are to find the virtual address by ARP. IPv6 needs nothing: a neighbour is answered only for addresses of the
 * device it asks on.
 *
 * Both are the greater of `all` and the device that the request comes in or goes out by (`IN_DEV_MAXCONF` in
 * linux/inetdevice.h), so it is `all` that counts. Setting them on the dummy device itself, which never sees a
 * request, does nothing.
 */
export const ARP_SYSCTLS: readonly ArpSysctl[] = [
  {
    name: 'net.ipv4.conf.all.arp_ignore',
    value: '1',
    why: 'answer only for addresses of the device that the request came in by, so not for those of the dummy device',
  },
  {
    name: 'net.ipv4.conf.all.arp_announce',
    value: '2',
    why: 'never name a virtual address as the sender of a request of our own, from which neighbours would learn it',
  },
];
