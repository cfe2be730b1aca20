import type { Kernel } from './apply.js';
import { printDestinationSettings, printServiceSettings } from './print.js';
import type { DriftKind } from './status.js';
import { type MutableEntry, type MutableTable, sameDestination, sameService } from './table.js';

/** Something that somebody else did to a virtual service. */
export interface Drift {
  readonly kind: DriftKind;
  readonly virtualService: string;
  readonly service?: string;
  readonly destination?: string;
  readonly backends?: readonly string[];
  /** What it was found to be, and what it had been. */
  readonly found?: string;
  readonly known?: string;
}

/** What the kernel holds of a virtual service, against what it acknowledged last. */
export function driftOf(key: string, known: MutableEntry, found: MutableEntry | undefined): readonly Drift[] {
  const { serviceName } = known.service;
  const where = { virtualService: key, ...(serviceName !== undefined && { service: serviceName }) };
  if (found === undefined) return [{ kind: 'removed', ...where, known: printServiceSettings(known.service) }];

  const drifts: Drift[] = [];
  if (!sameService(known.service, found.service))
    drifts.push({
      kind: 'changed',
      ...where,
      found: printServiceSettings(found.service),
      known: printServiceSettings(known.service),
    });
  for (const [destination, was] of known.destinations) {
    const names = {
      ...where,
      ...(was.serviceName !== undefined && { service: was.serviceName }),
      destination,
      ...(was.backends && { backends: was.backends }),
    };
    const is = found.destinations.get(destination);
    if (is === undefined) drifts.push({ kind: 'removed', ...names, known: printDestinationSettings(was) });
    else if (!sameDestination(is, was))
      drifts.push({
        kind: 'changed',
        ...names,
        found: printDestinationSettings(is),
        known: printDestinationSettings(was),
      });
  }
  for (const [destination, is] of found.destinations)
    if (!known.destinations.has(destination))
      drifts.push({ kind: 'added', ...where, destination, found: printDestinationSettings(is) });
  return drifts;
}

/** A virtual service as the kernel has it; undefined if it has none. */
export interface Found {
  readonly key: string;
  readonly entry: MutableEntry | undefined;
}

/**
 * Walks the kernel's whole table, one virtual service at a time, while passes go on: 10,000 of them take seconds, and
 * no container's start has to wait for that.
 *
 * @param actual what is known of the table, kept up to date by the passes
 * @param touched takes the keys of virtual services that a pass changes meanwhile: what was read of them may be older
 *   than that, so they are left for the next time
 */
export async function* walkTable(
  kernel: Kernel,
  actual: MutableTable,
  touched: Set<string>,
  signal: AbortSignal,
): AsyncGenerator<Found> {
  touched.clear();
  const services = await kernel.watchServices();
  for (const key of actual.keys()) if (!services.has(key) && !touched.has(key)) yield { key, entry: undefined };
  for (const [key, service] of services) {
    if (signal.aborted) return;
    if (touched.has(key)) continue;
    const entry = await kernel.watchDestinations(service);
    if (!touched.has(key)) yield { key, entry };
  }
}
