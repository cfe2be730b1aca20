import type { Destination, VirtualService } from '@clusterf/ipvs';

/** One virtual service with its destinations, by `destinationKey`. */
export interface TableEntry<S extends VirtualService = VirtualService, D extends Destination = Destination> {
  readonly service: S;
  readonly destinations: ReadonlyMap<string, D>;
}

/** What the kernel holds, or should hold, by `virtualServiceKey`. */
export type Table = ReadonlyMap<string, TableEntry>;

/** A table that is kept up to date in place: 10,000 destinations of one service are not copied for each of them. */
export type MutableTable = Map<
  string,
  { readonly service: VirtualService; readonly destinations: Map<string, Destination> }
>;

/** Whether two destinations with one identity are set alike. */
export function sameDestination(a: Destination, b: Destination): boolean {
  return (
    a.method === b.method &&
    a.weight === b.weight &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    (a.method !== 'tunnel' || sameTunnel(a, b))
  );
}

/** Whether two virtual services with one identity are set alike. */
export function sameService(a: VirtualService, b: VirtualService): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.schedulerFlags === b.schedulerFlags &&
    a.onePacket === b.onePacket &&
    a.persistence?.timeout === b.persistence?.timeout &&
    a.persistence?.prefixLength === b.persistence?.prefixLength &&
    a.persistence?.engine === b.persistence?.engine
  );
}

/** Plain ipip is what the kernel makes of a tunnel nothing is said about, and what it reports for it. */
function sameTunnel(a: Destination, b: Destination): boolean {
  return (
    (a.tunnel?.type ?? 'ipip') === (b.tunnel?.type ?? 'ipip') &&
    (a.tunnel?.port ?? 0) === (b.tunnel?.port ?? 0) &&
    (a.tunnel?.checksum ?? 'none') === (b.tunnel?.checksum ?? 'none')
  );
}
