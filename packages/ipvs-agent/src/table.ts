import { type Destination, destinationKey, type VirtualService } from '@clusterf/ipvs';

/** One virtual service with its destinations, by `destinationKey`. */
export interface TableEntry<S extends VirtualService = VirtualService, D extends Destination = Destination> {
  readonly service: S;
  readonly destinations: ReadonlyMap<string, D>;
}

/** What the kernel holds, or should hold, by `virtualServiceKey`. */
export type Table = ReadonlyMap<string, TableEntry<KnownService, KnownDestination>>;

/** The kernel knows no names; where we have made a thing, or recognised it, we do. */
export interface KnownService extends VirtualService {
  readonly serviceName?: string;
}
export interface KnownDestination extends Destination {
  readonly backends?: readonly string[];
  /** Whose backends these are, where that is another service than the one that has the virtual service now. */
  readonly serviceName?: string;
}

/** An entry that is kept up to date in place: 10,000 destinations of one service are not copied for each of them. */
export interface MutableEntry {
  readonly service: KnownService;
  readonly destinations: Map<string, KnownDestination>;
}
export type MutableTable = Map<string, MutableEntry>;

export function tableEntry(service: KnownService, destinations: readonly KnownDestination[]): MutableEntry {
  return { service, destinations: new Map(destinations.map((each) => [destinationKey(each), each])) };
}

/**
 * Gives what the kernel holds the names of what it is known to be: an entry that is set like the known one becomes the
 * known one, which also is one object less to hold. What another service had made before keeps that one's names.
 */
export function recognise(
  read: MutableEntry,
  known: TableEntry<KnownService, KnownDestination> | undefined,
): MutableEntry {
  if (known === undefined) return read;
  const { serviceName: former } = read.service;
  const isTaken = former !== undefined && former !== known.service.serviceName;
  for (const [at, destination] of read.destinations) {
    const same = known.destinations.get(at);
    if (same === undefined) {
      if (isTaken) read.destinations.set(at, { serviceName: former, ...destination });
    } else if (sameDestination(destination, same)) read.destinations.set(at, same);
    else if (same.backends !== undefined) read.destinations.set(at, { ...destination, backends: same.backends });
  }
  const { serviceName } = known.service;
  const service = sameService(read.service, known.service)
    ? known.service
    : { ...read.service, ...(serviceName !== undefined && { serviceName }) };
  return { service, destinations: read.destinations };
}

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
