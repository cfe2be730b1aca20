/** The configuration side of the vocabulary, decoded: canonical field names, checked values, defaults filled in. */

export type Family = 'ipv4' | 'ipv6';
export type Protocol = 'tcp' | 'udp' | 'sctp';
export type ForwardingMethod = 'masq' | 'droute' | 'tunnel';

export interface Persistence {
  /** Seconds, 1 or more. */
  readonly timeout: number;
  /** Leading bits of the client address that count; absent = the whole address. */
  readonly netmask?: number;
}

/** `services/<service>/frontend`: one virtual service per (family, protocol) with both an address and a port. */
export interface Frontend {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly tcp?: number;
  readonly udp?: number;
  readonly sctp?: number;
  readonly fwmark?: number;
  readonly scheduler?: string;
  readonly schedulerFlags?: readonly string[];
  readonly persistence?: Persistence;
  readonly onePacket?: boolean;
  readonly method?: ForwardingMethod;
}

/** `services/<service>/backends/<backend>` */
export interface Backend {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly tcp?: number;
  readonly udp?: number;
  readonly sctp?: number;
  /**
   * 0..2147483647, the kernel's own limit, since the Go program took what the kernel takes; absent in the tree = 10.
   * 0 keeps established connections and takes no new ones.
   */
  readonly weight: number;
  readonly upperThreshold?: number;
  readonly lowerThreshold?: number;
  /** The Docker host that registered it, and the container's name. */
  readonly host?: string;
  readonly container?: string;
}

export interface RouteTunnel {
  readonly type: 'ipip' | 'gue' | 'gre';
  readonly port?: number;
  readonly checksum?: boolean;
}

/** `routes/<route>`: how backends under a prefix are reached. */
export interface Route {
  /** Canonical CIDR (`10.1.0.0/16`, `2001:db8::/64`); absent = the default route of both families. */
  readonly prefix?: string;
  readonly gateway?: string;
  /** Absent excludes the backends under the prefix. */
  readonly ipvsMethod?: ForwardingMethod;
  /** Higher wins among equal prefixes; absent in the tree = 0. */
  readonly priority: number;
  readonly tunnel?: RouteTunnel;
}

export interface Service {
  readonly frontend?: Frontend;
  readonly backends: ReadonlyMap<string, Backend>;
}

export type SyncRole = 'both' | 'master' | 'backup';

/** `sync` and `balancers/<balancer>/sync`: connection synchronisation between balancers. */
export interface SyncSettings {
  readonly interface: string;
  /** 0..255; absent in the tree = 0. */
  readonly syncId: number;
  /** Multicast group, IPv4 or IPv6; absent = the kernel's, 224.0.0.81. */
  readonly group?: string;
  /** UDP port; absent = the kernel's, 8848. */
  readonly port?: number;
  /** Multicast TTL, 1..255; absent = the kernel's, 1. */
  readonly ttl?: number;
  /** Largest message in bytes; absent = by the interface's MTU. */
  readonly maxlen?: number;
  /** Absent in the tree = both. */
  readonly role: SyncRole;
}

/** `drain/…`: an operator wants it to take no new connections; that the entry is there says so, whatever is in it. */
export interface Drain {
  /** For people: why. */
  readonly reason?: string;
  /** For people: since when, as ISO 8601. */
  readonly since?: string;
}

/** What operators have drained. */
export interface Drains {
  /** Docker hosts: every backend that names one (`host`). */
  readonly hosts: ReadonlyMap<string, Drain>;
  /** Single backends, as `<service>/<backend>`: neither name has a slash. */
  readonly backends: ReadonlyMap<string, Drain>;
  readonly balancers: ReadonlyMap<string, Drain>;
}

/** The tree of all sources merged. */
export interface Config {
  readonly services: ReadonlyMap<string, Service>;
  readonly routes: ReadonlyMap<string, Route>;
  /** The settings of all balancers. */
  readonly sync?: SyncSettings;
  /** Those of single balancers, which replace the general ones whole. */
  readonly balancerSync?: ReadonlyMap<string, SyncSettings>;
  readonly drains: Drains;
}
