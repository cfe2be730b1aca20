/**
 * The attribute table of linux/ip_vs.h: for each attribute its name there, its number, and what it
 * holds. Encoding and decoding know nothing else about the wire.
 */
import { attribute, nest } from './netlink/attribute.js';
import {
  be16,
  counter32,
  counter64,
  flagsWithMask,
  ipv4,
  ipv4InUnion,
  ipv6,
  type Kind,
  netmask,
  oneOf,
  text,
  u8,
  u16,
  u32,
} from './netlink/kinds.js';
import type { Tunnel } from './types.js';

/** An attribute whose payload depends on the address family that another one names. */
function byFamily<T>(name: string, number: number, ofIPv4: Kind<T>, ofIPv6: Kind<T>) {
  return { ipv4: attribute(name, number, ofIPv4), ipv6: attribute(name, number, ofIPv6) };
}

const family = oneOf(u16, { ipv4: 2, ipv6: 10 });
const protocol = oneOf(u16, { tcp: 6, udp: 17, sctp: 132 });
/** Above IP_VS_CONN_F_FWD_MASK (7) are flags of connections that the kernel keeps in the same word. */
const method = oneOf(u32, { masq: 0, local: 1, tunnel: 2, droute: 3, bypass: 4 }, 0x7);
const role = oneOf(u32, { master: 1, backup: 2 });
const tunnelType = oneOf(u8, { ipip: 0, gue: 1, gre: 2 });

/** IP_VS_TUNNEL_ENCAP_FLAG_*: bits, but of no use together; whoever sets both gets remote checksums. */
const tunnelChecksum: Kind<Tunnel['checksum']> = {
  least: 2,
  read(view, offset, length) {
    const flags = u16.read(view, offset, length);
    if (flags & 0x2) return 'remote-checksum';
    return flags & 0x1 ? 'checksum' : 'none';
  },
  write: (view, offset, checksum) =>
    u16.write(view, offset, { none: 0, checksum: 0x1, 'remote-checksum': 0x2 }[checksum]),
};

/** IPVS_CMD_*: the commands of the family. */
export const IPVS_CMD = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  GET_DEST: 8,
  NEW_DAEMON: 9,
  DEL_DAEMON: 10,
  GET_DAEMON: 11,
  SET_CONFIG: 12,
  GET_CONFIG: 13,
  GET_INFO: 15,
  ZERO: 16,
  FLUSH: 17,
} as const;

/** First level of every command but GET_INFO's answer. */
export const CMD = {
  service: nest('IPVS_CMD_ATTR_SERVICE', 1),
  destination: nest('IPVS_CMD_ATTR_DEST', 2),
  daemon: nest('IPVS_CMD_ATTR_DAEMON', 3),
  timeoutTcp: attribute('IPVS_CMD_ATTR_TIMEOUT_TCP', 4, u32),
  timeoutTcpFin: attribute('IPVS_CMD_ATTR_TIMEOUT_TCP_FIN', 5, u32),
  timeoutUdp: attribute('IPVS_CMD_ATTR_TIMEOUT_UDP', 6, u32),
} as const;

/** In IPVS_CMD_ATTR_SERVICE. */
export const SVC = {
  family: attribute('IPVS_SVC_ATTR_AF', 1, family),
  protocol: attribute('IPVS_SVC_ATTR_PROTOCOL', 2, protocol),
  address: byFamily('IPVS_SVC_ATTR_ADDR', 3, ipv4InUnion, ipv6),
  port: attribute('IPVS_SVC_ATTR_PORT', 4, be16),
  fwmark: attribute('IPVS_SVC_ATTR_FWMARK', 5, u32),
  scheduler: attribute('IPVS_SVC_ATTR_SCHED_NAME', 6, text),
  flags: attribute('IPVS_SVC_ATTR_FLAGS', 7, flagsWithMask),
  timeout: attribute('IPVS_SVC_ATTR_TIMEOUT', 8, u32),
  /** The kernel keeps an IPv6 prefix length, as a host number, where it keeps an IPv4 mask. */
  netmask: byFamily('IPVS_SVC_ATTR_NETMASK', 9, netmask, u32),
  stats: nest('IPVS_SVC_ATTR_STATS', 10),
  engine: attribute('IPVS_SVC_ATTR_PE_NAME', 11, text),
  stats64: nest('IPVS_SVC_ATTR_STATS64', 12),
} as const;

/** IP_VS_SVC_F_*: bits of IPVS_SVC_ATTR_FLAGS. The kernel adds HASHED (0x2) to every service. */
export const SVC_FLAG = { persistent: 0x1, onePacket: 0x4, schedulerShift: 3, schedulerMask: 0x7 } as const;

/** In IPVS_CMD_ATTR_DEST. */
export const DEST = {
  address: byFamily('IPVS_DEST_ATTR_ADDR', 1, ipv4InUnion, ipv6),
  port: attribute('IPVS_DEST_ATTR_PORT', 2, be16),
  method: attribute('IPVS_DEST_ATTR_FWD_METHOD', 3, method),
  weight: attribute('IPVS_DEST_ATTR_WEIGHT', 4, u32),
  upperThreshold: attribute('IPVS_DEST_ATTR_U_THRESH', 5, u32),
  lowerThreshold: attribute('IPVS_DEST_ATTR_L_THRESH', 6, u32),
  activeConnections: attribute('IPVS_DEST_ATTR_ACTIVE_CONNS', 7, u32),
  inactiveConnections: attribute('IPVS_DEST_ATTR_INACT_CONNS', 8, u32),
  persistentConnections: attribute('IPVS_DEST_ATTR_PERSIST_CONNS', 9, u32),
  stats: nest('IPVS_DEST_ATTR_STATS', 10),
  family: attribute('IPVS_DEST_ATTR_ADDR_FAMILY', 11, family),
  stats64: nest('IPVS_DEST_ATTR_STATS64', 12),
  tunnelType: attribute('IPVS_DEST_ATTR_TUN_TYPE', 13, tunnelType),
  tunnelPort: attribute('IPVS_DEST_ATTR_TUN_PORT', 14, be16),
  tunnelChecksum: attribute('IPVS_DEST_ATTR_TUN_FLAGS', 15, tunnelChecksum),
} as const;

/** In IPVS_CMD_ATTR_DAEMON. The port is, unlike all others, a host number. */
export const DAEMON = {
  role: attribute('IPVS_DAEMON_ATTR_STATE', 1, role),
  interface: attribute('IPVS_DAEMON_ATTR_MCAST_IFN', 2, text),
  syncId: attribute('IPVS_DAEMON_ATTR_SYNC_ID', 3, u32),
  maxLength: attribute('IPVS_DAEMON_ATTR_SYNC_MAXLEN', 4, u16),
  group: {
    ipv4: attribute('IPVS_DAEMON_ATTR_MCAST_GROUP', 5, ipv4),
    ipv6: attribute('IPVS_DAEMON_ATTR_MCAST_GROUP6', 6, ipv6),
  },
  port: attribute('IPVS_DAEMON_ATTR_MCAST_PORT', 7, u16),
  ttl: attribute('IPVS_DAEMON_ATTR_MCAST_TTL', 8, u8),
} as const;

/** First level of GET_INFO's answer. */
export const INFO = {
  version: attribute('IPVS_INFO_ATTR_VERSION', 1, u32),
  connectionTableSize: attribute('IPVS_INFO_ATTR_CONN_TAB_SIZE', 2, u32),
} as const;

/**
 * In IPVS_SVC_ATTR_STATS64 and IPVS_DEST_ATTR_STATS64 all counters have 64 bits; in their older
 * namesakes without the 64 only those of bytes have, the rest wrap around at 2^32.
 */
function statistics(counter: Kind<bigint>) {
  return {
    connections: attribute('IPVS_STATS_ATTR_CONNS', 1, counter),
    packetsIn: attribute('IPVS_STATS_ATTR_INPKTS', 2, counter),
    packetsOut: attribute('IPVS_STATS_ATTR_OUTPKTS', 3, counter),
    bytesIn: attribute('IPVS_STATS_ATTR_INBYTES', 4, counter64),
    bytesOut: attribute('IPVS_STATS_ATTR_OUTBYTES', 5, counter64),
    connectionsPerSecond: attribute('IPVS_STATS_ATTR_CPS', 6, counter),
    packetsInPerSecond: attribute('IPVS_STATS_ATTR_INPPS', 7, counter),
    packetsOutPerSecond: attribute('IPVS_STATS_ATTR_OUTPPS', 8, counter),
    bytesInPerSecond: attribute('IPVS_STATS_ATTR_INBPS', 9, counter),
    bytesOutPerSecond: attribute('IPVS_STATS_ATTR_OUTBPS', 10, counter),
  } as const;
}

export type StatsTable = ReturnType<typeof statistics>;
export const STATS = statistics(counter32);
export const STATS64 = statistics(counter64);

/** Generic netlink's own family `nlctrl` (linux/genetlink.h), as far as asking for a family's id goes. */
export const GENL_ID_CTRL = 16;
export const CTRL_CMD_GETFAMILY = 3;
export const CTRL = {
  familyId: attribute('CTRL_ATTR_FAMILY_ID', 1, u16),
  familyName: attribute('CTRL_ATTR_FAMILY_NAME', 2, text),
} as const;
