/** Several balancers' counters as one: what they count of the same thing is added. */
import { type DestinationLook, type Look, NO_RATES, type Rates, sumOfRates } from './look.js';

/** A service at one of its virtual addresses. */
export interface ServiceSum {
  readonly service: string;
  readonly virtualService: string;
  readonly rates: Rates;
  readonly active: number;
  readonly inactive: number;
  readonly backends: readonly BackendSum[];
}

export interface BackendSum {
  readonly backend: string;
  readonly destination: string;
  readonly rates: Rates;
  readonly active: number;
  readonly inactive: number;
  /** That of most balancers is the same; where it is not, the least and the greatest. */
  readonly weights: readonly [least: number, greatest: number];
}

/** What the lines are sorted by: figures from the greatest down, names from A on. */
export const SORTINGS = ['connections', 'active', 'packets', 'bytes', 'name'] as const;
export type Sorting = (typeof SORTINGS)[number];

export function sumOf(looks: readonly Look[], sorting: Sorting): readonly ServiceSum[] {
  const backends = new Map<string, Map<string, BackendSum>>();
  for (const look of looks) {
    for (const each of look.destinations) {
      const ofService = backends.get(keyOf(each)) ?? new Map<string, BackendSum>();
      const key = `${each.backend}\n${each.destination}`;
      ofService.set(key, plus(ofService.get(key), each));
      backends.set(keyOf(each), ofService);
    }
  }
  const services = new Map<string, ServiceSum>();
  for (const look of looks) {
    for (const { service, virtualService, rates } of look.services) {
      const key = keyOf({ service, virtualService });
      const own = [...(backends.get(key)?.values() ?? [])];
      services.set(key, {
        service,
        virtualService,
        rates: sumOfRates(services.get(key)?.rates ?? NO_RATES, rates),
        active: total(own, ({ active }) => active),
        inactive: total(own, ({ inactive }) => inactive),
        backends: sorted(own, sorting, ({ backend, destination }) => `${backend}\n${destination}`),
      });
    }
  }
  return sorted([...services.values()], sorting, keyOf);
}

function keyOf({ service, virtualService }: { readonly service: string; readonly virtualService: string }): string {
  return `${service}\n${virtualService}`;
}

function plus(sum: BackendSum | undefined, one: DestinationLook): BackendSum {
  const { backend, destination, rates, active, inactive, weight } = one;
  if (sum === undefined) return { backend, destination, rates, active, inactive, weights: [weight, weight] };
  const [least, greatest] = sum.weights;
  return {
    ...sum,
    rates: sumOfRates(sum.rates, rates),
    active: sum.active + active,
    inactive: sum.inactive + inactive,
    weights: [Math.min(least, weight), Math.max(greatest, weight)],
  };
}

function total<T>(all: readonly T[], figure: (one: T) => number): number {
  return all.reduce((sum, one) => sum + figure(one), 0);
}

type Sortable = Pick<BackendSum, 'rates' | 'active'>;

const FIGURES: Readonly<Record<Exclude<Sorting, 'name'>, (one: Sortable) => number>> = {
  connections: ({ rates }) => rates.connections,
  active: ({ active }) => active,
  packets: ({ rates }) => rates.packetsIn + rates.packetsOut,
  bytes: ({ rates }) => rates.bytesIn + rates.bytesOut,
};

/** Where the figures are the same, by name: lines do not jump about for nothing. */
function sorted<T extends Sortable>(all: readonly T[], sorting: Sorting, nameOf: (one: T) => string): readonly T[] {
  const figure = sorting === 'name' ? () => 0 : FIGURES[sorting];
  const byName = (a: T, b: T) => (nameOf(a) < nameOf(b) ? -1 : 1);
  return all.toSorted((a, b) => figure(b) - figure(a) || byName(a, b));
}
