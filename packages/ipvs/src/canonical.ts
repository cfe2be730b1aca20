/**
 * The canonical form of everything that can be asked of the kernel: checked, addresses in their one
 * spelling, and what says nothing left out. A dump yields the same form, so that what was asked for and
 * what is there can be compared member by member.
 */
import { familyOf } from './address.js';
import * as check from './check.js';
import { ArgumentError } from './errors.js';
import type {
  Destination,
  DestinationId,
  Persistence,
  SyncDaemon,
  Timeouts,
  Tunnel,
  VirtualService,
  VirtualServiceId,
} from './types.js';

const FAMILIES = ['ipv4', 'ipv6'] as const;
/** 31 days, as ipvsadm has it: the kernel multiplies by its clock rate and does not look whether that fits. */
const LONGEST = 31 * 24 * 60 * 60;
const U32 = 0xffff_ffff;
/** ipvsadm stops at 65535; the kernel takes what fits an int. */
const MAX_INT = 0x7fff_ffff;

/** @throws ArgumentError */
export function canonicalVirtualServiceId(id: VirtualServiceId, field = 'id'): VirtualServiceId {
  const family = check.oneOf(`${field}.family`, id.family, FAMILIES);
  // A firewall mark of 0 is what packets without a mark have: the kernel takes it for "no mark given".
  if ('fwmark' in id) return { family, fwmark: check.integer(`${field}.fwmark`, id.fwmark, 1, U32) };
  return {
    family,
    protocol: check.oneOf(`${field}.protocol`, id.protocol, ['tcp', 'udp', 'sctp']),
    address: check.address(`${field}.address`, id.address, family),
    port: check.integer(`${field}.port`, id.port, 0, 65535),
  };
}

/** @throws ArgumentError */
export function canonicalVirtualService(service: VirtualService, field = 'service'): VirtualService {
  const id = canonicalVirtualServiceId(service.id, `${field}.id`);
  return {
    id,
    scheduler: check.name(`${field}.scheduler`, service.scheduler),
    schedulerFlags: check.integer(`${field}.schedulerFlags`, service.schedulerFlags, 0, 7),
    onePacket: check.boolean(`${field}.onePacket`, service.onePacket),
    ...(service.persistence && {
      persistence: canonicalPersistence(service.persistence, id, `${field}.persistence`),
    }),
  };
}

function canonicalPersistence(persistence: Persistence, { family }: VirtualServiceId, field: string): Persistence {
  const { timeout, prefixLength, engine } = persistence;
  return {
    timeout: check.integer(`${field}.timeout`, timeout, 1, LONGEST),
    prefixLength: check.integer(`${field}.prefixLength`, prefixLength, 1, family === 'ipv4' ? 32 : 128),
    ...(engine !== undefined && { engine: check.name(`${field}.engine`, engine) }),
  };
}

/** @throws ArgumentError */
export function canonicalDestinationId(id: DestinationId, field = 'destination'): DestinationId {
  const family = check.oneOf(`${field}.family`, id.family, FAMILIES);
  return {
    family,
    address: check.address(`${field}.address`, id.address, family),
    port: check.integer(`${field}.port`, id.port, 0, 65535),
  };
}

/** @throws ArgumentError */
export function canonicalDestination(destination: Destination, field = 'destination'): Destination {
  const upperThreshold = check.integer(`${field}.upperThreshold`, destination.upperThreshold, 0, U32);
  const method = check.oneOf(`${field}.method`, destination.method, ['masq', 'droute', 'tunnel', 'local', 'bypass']);
  const tunnel = canonicalTunnel(destination, `${field}.tunnel`);
  return {
    ...canonicalDestinationId(destination, field),
    method,
    weight: check.integer(`${field}.weight`, destination.weight, 0, MAX_INT),
    upperThreshold,
    lowerThreshold: check.integer(`${field}.lowerThreshold`, destination.lowerThreshold, 0, upperThreshold),
    ...(tunnel && { tunnel }),
  };
}

/** Undefined for plain ipip, which is what no tunnel at all is to the kernel. */
function canonicalTunnel({ method, tunnel }: Destination, field: string): Tunnel | undefined {
  if (tunnel === undefined) return undefined;
  if (method !== 'tunnel') throw new ArgumentError(field, tunnel, `nothing where the method is ${method}`);
  const type = check.oneOf(`${field}.type`, tunnel.type, ['ipip', 'gue', 'gre']);
  const checksum = check.oneOf(`${field}.checksum`, tunnel.checksum, ['none', 'checksum', 'remote-checksum']);
  const port = type === 'gue' ? check.integer(`${field}.port`, tunnel.port, 1, 65535) : 0;
  if (tunnel.port !== port) throw new ArgumentError(`${field}.port`, tunnel.port, `0 for ${type}`);
  return type === 'ipip' && checksum === 'none' ? undefined : { type, port, checksum };
}

/** @throws ArgumentError where the families differ and the method is not `tunnel` */
export function checkFamilies(service: VirtualServiceId, destination: Destination): void {
  if (destination.family !== service.family && destination.method !== 'tunnel') {
    const expected = `${service.family} as the virtual service, or method tunnel`;
    throw new ArgumentError('destination.family', destination.family, expected);
  }
}

/** @throws ArgumentError */
export function canonicalSyncDaemon(daemon: SyncDaemon, field = 'daemon'): SyncDaemon {
  const { role, syncId, maxLength, group, port, ttl } = daemon;
  return {
    role: check.oneOf(`${field}.role`, role, ['master', 'backup']),
    interface: check.name(`${field}.interface`, daemon.interface),
    syncId: check.integer(`${field}.syncId`, syncId, 0, 255),
    ...(maxLength !== undefined && { maxLength: check.integer(`${field}.maxLength`, maxLength, 0, 65535) }),
    ...(group !== undefined && { group: multicast(`${field}.group`, group) }),
    ...(port !== undefined && { port: check.integer(`${field}.port`, port, 1, 65535) }),
    ...(ttl !== undefined && { ttl: check.integer(`${field}.ttl`, ttl, 1, 255) }),
  };
}

function multicast(field: string, value: string): string {
  const family = familyOf(value);
  const group = family && check.address(field, value, family);
  // 224.0.0.0/4 or ff00::/8.
  if (group === undefined || !/^(22[4-9]|23\d)\.|^ff..:/.test(group)) {
    throw new ArgumentError(field, value, 'an IPv4 or IPv6 multicast address');
  }
  return group;
}

/** @throws ArgumentError */
export function canonicalTimeouts(timeouts: Timeouts, field = 'timeouts'): Timeouts {
  return {
    tcp: check.integer(`${field}.tcp`, timeouts.tcp, 0, LONGEST),
    tcpFin: check.integer(`${field}.tcpFin`, timeouts.tcpFin, 0, LONGEST),
    udp: check.integer(`${field}.udp`, timeouts.udp, 0, LONGEST),
  };
}
