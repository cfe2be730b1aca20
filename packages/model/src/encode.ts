import type { Backend, Drain, Frontend, Route, SyncSettings } from './types.js';

/** Fields of an entry that nobody here knows, to be written back beside those that were changed. */
export type UnknownFields = Readonly<Record<string, unknown>>;

/**
 * Canonical JSON: the tree's field names in a fixed order and nothing that is absent, so that equal values are
 * equal bytes and rewriting an unchanged entry is no change.
 */
export function encodeFrontend(frontend: Frontend, unknown: UnknownFields = {}): string {
  const { ipv4, ipv6, tcp, udp, sctp, fwmark, scheduler, schedulerFlags, persistence, onePacket, method } = frontend;
  return encode(
    {
      ipv4,
      ipv6,
      tcp,
      udp,
      sctp,
      fwmark,
      scheduler,
      schedulerFlags,
      persistence: persistence && { timeout: persistence.timeout, netmask: persistence.netmask },
      onePacket,
      method,
    },
    unknown,
  );
}

/** Canonical JSON, as {@link encodeFrontend}. The weight is always written. */
export function encodeBackend(backend: Backend, unknown: UnknownFields = {}): string {
  const { ipv4, ipv6, tcp, udp, sctp, weight, upperThreshold, lowerThreshold, host, container } = backend;
  return encode({ ipv4, ipv6, tcp, udp, sctp, weight, upperThreshold, lowerThreshold, host, container }, unknown);
}

/** Canonical JSON, as {@link encodeFrontend}, with the Go program's field names. */
export function encodeRoute(route: Route, unknown: UnknownFields = {}): string {
  const { prefix, gateway, ipvsMethod, priority, tunnel } = route;
  return encode(
    {
      Prefix: prefix,
      Gateway: gateway,
      IPVSMethod: ipvsMethod,
      Priority: priority === 0 ? undefined : priority,
      Tunnel: tunnel && { type: tunnel.type, port: tunnel.port, checksum: tunnel.checksum },
    },
    unknown,
  );
}

/** Canonical JSON, as {@link encodeFrontend}. */
export function encodeSync(sync: SyncSettings, unknown: UnknownFields = {}): string {
  const { group, port, ttl, maxlen, role, syncId } = sync;
  return encode({ interface: sync.interface, syncId, group, port, ttl, maxlen, role }, unknown);
}

/** Canonical JSON, as {@link encodeFrontend}. */
export function encodeDrain({ reason, since }: Drain, unknown: UnknownFields = {}): string {
  return encode({ reason, since }, unknown);
}

/** The unknown fields come last, by name. JSON.stringify leaves out what is undefined. */
function encode(known: Readonly<Record<string, unknown>>, unknown: UnknownFields): string {
  const others = Object.entries(unknown).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries([...Object.entries(known), ...others]));
}
