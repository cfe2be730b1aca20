/**
 * The vocabulary of the package: what identifies a virtual service or a destination, what may be set
 * on it, and what the kernel reports of it. Identity, settings and observation are separate types, so
 * that a dump can be compared with what was asked for without stripping counters first.
 */

export type Family = 'ipv4' | 'ipv6';
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** `local` and `bypass` are reported for destinations the kernel made itself and can be set too. */
export type ForwardingMethod = 'masq' | 'droute' | 'tunnel' | 'local' | 'bypass';

/** A virtual service is known by address, port and protocol, or by a firewall mark within one family. */
export type VirtualServiceId =
  | { readonly family: Family; readonly protocol: Protocol; readonly address: string; readonly port: number }
  | { readonly family: Family; readonly fwmark: number };

export interface Persistence {
  /** Seconds a client stays with its destination after its last connection; at least 1. */
  readonly timeout: number;
  /** Clients whose addresses agree in this many leading bits count as one: 1..32 or 1..128. */
  readonly prefixLength: number;
  /** Persistence engine, `sip` being the kernel's only one. */
  readonly engine?: string;
}

export interface VirtualServiceSettings {
  /** Kernel scheduler name: `rr`, `wrr`, `lc`, `wlc`, `sh`, `mh`, … at most 15 bytes. */
  readonly scheduler: string;
  /** IP_VS_SVC_F_SCHED1..3 as bits 0..2 (1 = flag-1, 2 = flag-2, 4 = flag-3), the way `ipvsadm -b` names them. */
  readonly schedulerFlags: number;
  readonly persistence?: Persistence;
  /** One-packet scheduling (UDP): every datagram is scheduled on its own. */
  readonly onePacket: boolean;
}

export interface VirtualService extends VirtualServiceSettings {
  readonly id: VirtualServiceId;
}

export interface Tunnel {
  readonly type: 'ipip' | 'gue' | 'gre';
  /** UDP port of gue; 0 for the others. */
  readonly port: number;
  readonly checksum: 'none' | 'checksum' | 'remote-checksum';
}

/** A destination is known within its virtual service by family, address and port. */
export interface DestinationId {
  /** May differ from the virtual service's family only where the method is `tunnel`. */
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

export interface DestinationSettings {
  readonly method: ForwardingMethod;
  /** 0 to 2147483647; 0 keeps established connections and takes no new ones. */
  readonly weight: number;
  /** Connections above which the destination takes no more; 0 = no limit. */
  readonly upperThreshold: number;
  /** Connections below which it takes connections again; 0 = the kernel's rule (3/4 of the upper). */
  readonly lowerThreshold: number;
  /** Only where method is `tunnel`; absent = plain ipip. */
  readonly tunnel?: Tunnel;
}

export interface Destination extends DestinationId, DestinationSettings {}

/** 64-bit counters where the kernel has them (since 4.1), per-second rates estimated by the kernel every 2 s. */
export interface Stats {
  readonly connections: bigint;
  readonly packetsIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
  readonly connectionsPerSecond: bigint;
  readonly packetsInPerSecond: bigint;
  readonly packetsOutPerSecond: bigint;
  readonly bytesInPerSecond: bigint;
  readonly bytesOutPerSecond: bigint;
}

export interface ObservedVirtualService extends VirtualService {
  readonly stats: Stats;
}

/** A destination and who is connected to it. */
export interface ConnectedDestination extends Destination {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
}

export interface ObservedDestination extends ConnectedDestination {
  readonly stats: Stats;
}

/** For reads that are not to decode the counters, which are two thirds of the work. */
export interface WithoutStats {
  readonly stats: false;
}

export type SyncRole = 'master' | 'backup';

export interface SyncDaemon {
  readonly role: SyncRole;
  readonly interface: string;
  /** 0..255; a backup takes only messages of its own id, 0 takes all. */
  readonly syncId: number;
  /** Largest sync message in bytes, 0 or absent = by the interface's MTU. */
  readonly maxLength?: number;
  /** Multicast group, IPv4 or IPv6; absent = 224.0.0.81. */
  readonly group?: string;
  /** UDP port; absent = 8848. */
  readonly port?: number;
  /** Multicast TTL; absent = 1. */
  readonly ttl?: number;
}

/** Idle times in seconds after which connection entries expire; 0 in a set means "leave". */
export interface Timeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export interface Info {
  /** Such as `1.2.1`. */
  readonly version: string;
  /** Buckets of the connection hash table. */
  readonly connectionTableSize: number;
}

/** A virtual service with its destinations. */
export interface TableEntry<
  S extends VirtualService = ObservedVirtualService,
  D extends ConnectedDestination = ObservedDestination,
> {
  readonly service: S;
  readonly destinations: readonly D[];
}
