/** What `clusterf top` shows, as lines. */
import { alignedLines } from '../output.js';
import type { Rates } from './look.js';
import type { BackendSum, ServiceSum, Sorting } from './sums.js';

/** All of one moment. */
export interface Moment {
  /** Where the counters are from: URLs, or `kernel`. */
  readonly from: readonly string[];
  readonly at: Date;
  readonly sorting: Sorting;
  readonly services: readonly ServiceSum[];
  /** Whether what has no name is not in the tree, or the tree could not be read. */
  readonly treeIsRead: boolean;
  /** What people call a backend, where that is known. */
  readonly container: (service: string, backend: string) => string | undefined;
  /** What could not be asked, and why. */
  readonly complaints: readonly string[];
}

const HEADING = ['SERVICE', 'AT', 'WEIGHT', 'CONN/S', 'ACTIVE', 'INACTIVE', 'PACKETS/S IN', 'OUT', 'BYTES/S IN', 'OUT'];
const FIGURES_FROM = 2;

/** Where somebody looks who may not know how old the figures are. */
export const FRESHNESS = "rates are the kernel's own, averaged over some 8 s and refreshed every 2 s";

export function momentLines(moment: Moment): readonly string[] {
  const { at, complaints, from, services, sorting } = moment;
  const destinations = services.reduce((sum, { backends }) => sum + backends.length, 0);
  const time = at.toTimeString().slice(0, 8);
  return [
    `clusterf top  ${time}  ${from.join(' ')}  ${count(services.length, 'virtual service')}, ${count(destinations, 'destination')}, by ${sorting}`,
    FRESHNESS,
    ...complaints.map((complaint) => `! ${complaint}`),
    '',
    ...tableLines(moment),
  ];
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

function tableLines({ services, container, treeIsRead }: Moment): readonly string[] {
  const nameless = treeIsRead ? '(not in the tree)' : '(name not known)';
  const rows = services.flatMap((service) => [
    [service.service || nameless, service.virtualService, '', ...figures(service)],
    ...service.backends.map((backend) => [
      `  ${backendNames(service.service, backend.backend, container) || nameless}`,
      backend.destination,
      weightOf(backend),
      ...figures(backend),
    ]),
  ]);
  return alignedLines([HEADING, ...rows], FIGURES_FROM);
}

function weightOf({ weights: [least, greatest] }: BackendSum): string {
  return least === greatest ? String(least) : `${least}-${greatest}`;
}

type Figures = Pick<BackendSum, 'active' | 'inactive'> & { readonly rates: Rates };

function figures({ rates, active, inactive }: Figures): readonly string[] {
  const { connections, packetsIn, packetsOut, bytesIn, bytesOut } = rates;
  return [connections, active, inactive, packetsIn, packetsOut, bytesIn, bytesOut].map(short);
}

/** Containers by their names, else by their ids as Docker shortens them. */
function backendNames(service: string, backends: string, container: Moment['container']): string {
  const names = backends.split(',').map((backend) => container(service, backend) ?? backend);
  return names.join(',').replaceAll(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1');
}

const UNITS = ['', 'k', 'M', 'G', 'T'];

/** At most five digits of a figure: `98765`, `123k`, `1.23M`. */
export function short(figure: number): string {
  if (figure < 100_000) return String(figure);
  // Rounded first: 999,999 is a million.
  const exponent = Math.min(Math.floor(Math.log10(Number(figure.toPrecision(3))) / 3), UNITS.length - 1);
  return `${(figure / 1000 ** exponent).toPrecision(3)}${UNITS[exponent] ?? ''}`;
}
