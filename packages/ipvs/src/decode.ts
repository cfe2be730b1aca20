/** From the kernel's messages to what they say. All throw DecodeError, and nothing else, on bytes that say nothing. */
import { CMD, DAEMON, DEST, INFO, STATS, STATS64, type StatsTable, SVC, SVC_FLAG } from './attributes.js';
import { DecodeError } from './errors.js';
import type { Attributes } from './netlink/reader.js';
import type {
  ConnectedDestination,
  Family,
  Info,
  ObservedDestination,
  ObservedVirtualService,
  Persistence,
  Stats,
  SyncDaemon,
  Timeouts,
  Tunnel,
  VirtualService,
  VirtualServiceId,
} from './types.js';

/** An answer to GET_SERVICE. */
export function decodeObservedService(message: Attributes): ObservedVirtualService {
  const service = message.needWithin(CMD.service);
  return { ...readService(service), stats: decodeStats(service.within(SVC.stats64), service.within(SVC.stats)) };
}

/** The same without its counters. */
export function decodeService(message: Attributes): VirtualService {
  return readService(message.needWithin(CMD.service));
}

function readService(service: Attributes): VirtualService {
  const id = decodeServiceId(service);
  const flags = service.need(SVC.flags);
  const persistence = decodePersistence(service, id.family, flags);
  return {
    id,
    scheduler: service.need(SVC.scheduler),
    schedulerFlags: (flags >>> SVC_FLAG.schedulerShift) & SVC_FLAG.schedulerMask,
    onePacket: (flags & SVC_FLAG.onePacket) !== 0,
    ...(persistence && { persistence }),
  };
}

function decodeServiceId(service: Attributes): VirtualServiceId {
  const family = service.need(SVC.family);
  const fwmark = service.get(SVC.fwmark);
  if (fwmark !== undefined) return { family, fwmark };
  return {
    family,
    protocol: service.need(SVC.protocol),
    address: service.need(SVC.address[family]),
    port: service.need(SVC.port),
  };
}

/** Timeout and netmask are there always, but mean something only under the flag. */
function decodePersistence(service: Attributes, family: Family, flags: number): Persistence | undefined {
  if ((flags & SVC_FLAG.persistent) === 0) return undefined;
  const engine = service.get(SVC.engine);
  return {
    timeout: service.need(SVC.timeout),
    prefixLength: service.need(SVC.netmask[family]),
    ...(engine !== undefined && { engine }),
  };
}

/** An answer to GET_DEST for a virtual service of the family, which kernels before 3.18 do not repeat. */
export function decodeObservedDestination(message: Attributes, serviceFamily: Family): ObservedDestination {
  const destination = message.needWithin(CMD.destination);
  return {
    ...readDestination(destination, serviceFamily),
    stats: decodeStats(destination.within(DEST.stats64), destination.within(DEST.stats)),
  };
}

/** The same without its counters. */
export function decodeDestination(message: Attributes, serviceFamily: Family): ConnectedDestination {
  return readDestination(message.needWithin(CMD.destination), serviceFamily);
}

function readDestination(destination: Attributes, serviceFamily: Family): ConnectedDestination {
  const family = destination.get(DEST.family) ?? serviceFamily;
  const method = destination.need(DEST.method);
  const tunnel = method === 'tunnel' ? decodeTunnel(destination) : undefined;
  return {
    family,
    address: destination.need(DEST.address[family]),
    port: destination.need(DEST.port),
    method,
    weight: destination.need(DEST.weight),
    upperThreshold: destination.need(DEST.upperThreshold),
    lowerThreshold: destination.need(DEST.lowerThreshold),
    ...(tunnel && { tunnel }),
    activeConnections: destination.need(DEST.activeConnections),
    inactiveConnections: destination.need(DEST.inactiveConnections),
    persistentConnections: destination.need(DEST.persistentConnections),
  };
}

/** Undefined for plain ipip, which is also what kernels before 5.3 mean by saying nothing. */
function decodeTunnel(destination: Attributes): Tunnel | undefined {
  const type = destination.get(DEST.tunnelType) ?? 'ipip';
  const checksum = destination.get(DEST.tunnelChecksum) ?? 'none';
  if (type === 'ipip' && checksum === 'none') return undefined;
  return { type, port: type === 'gue' ? destination.need(DEST.tunnelPort) : 0, checksum };
}

/** The 64-bit statistics if the kernel has them (since 4.1), else the 32-bit ones. */
function decodeStats(wide: Attributes | undefined, narrow: Attributes | undefined): Stats {
  if (wide !== undefined) return readStats(wide, STATS64);
  if (narrow !== undefined) return readStats(narrow, STATS);
  throw new DecodeError('neither 64-bit nor 32-bit statistics');
}

function readStats(stats: Attributes, table: StatsTable): Stats {
  return {
    connections: stats.need(table.connections),
    packetsIn: stats.need(table.packetsIn),
    packetsOut: stats.need(table.packetsOut),
    bytesIn: stats.need(table.bytesIn),
    bytesOut: stats.need(table.bytesOut),
    connectionsPerSecond: stats.need(table.connectionsPerSecond),
    packetsInPerSecond: stats.need(table.packetsInPerSecond),
    packetsOutPerSecond: stats.need(table.packetsOutPerSecond),
    bytesInPerSecond: stats.need(table.bytesInPerSecond),
    bytesOutPerSecond: stats.need(table.bytesOutPerSecond),
  };
}

/** An answer to GET_DAEMON: what was left open when it was started is filled in by the kernel. */
export function decodeDaemon(message: Attributes): SyncDaemon {
  const daemon = message.needWithin(CMD.daemon);
  const maxLength = daemon.get(DAEMON.maxLength);
  const group = daemon.get(DAEMON.group.ipv6) ?? daemon.get(DAEMON.group.ipv4);
  const port = daemon.get(DAEMON.port);
  const ttl = daemon.get(DAEMON.ttl);
  return {
    role: daemon.need(DAEMON.role),
    interface: daemon.need(DAEMON.interface),
    syncId: daemon.need(DAEMON.syncId),
    ...(maxLength !== undefined && { maxLength }),
    ...(group !== undefined && { group }),
    ...(port !== undefined && { port }),
    ...(ttl !== undefined && { ttl }),
  };
}

/** The answer to GET_CONFIG. */
export function decodeTimeouts(message: Attributes): Timeouts {
  return {
    tcp: message.need(CMD.timeoutTcp),
    tcpFin: message.need(CMD.timeoutTcpFin),
    udp: message.need(CMD.timeoutUdp),
  };
}

/** The answer to GET_INFO. */
export function decodeInfo(message: Attributes): Info {
  const version = message.need(INFO.version);
  return {
    version: `${(version >>> 16) & 255}.${(version >>> 8) & 255}.${version & 255}`,
    connectionTableSize: message.need(INFO.connectionTableSize),
  };
}
