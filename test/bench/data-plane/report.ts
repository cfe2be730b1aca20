/** The results as docs/benchmarks.md has them. */
import { markdownTable, milliseconds, times } from '../markdown.js';
import type { RequestKind } from './measure.js';
import { type Results, resultsOf, typical, type Typical } from './results.js';

/** Whom the ratios are to. */
const REFERENCE = 'haproxy';

/** The processor time of the balancer for a request, in microseconds; none where there is no balancer. */
export type Cost = (way: string, kind: RequestKind) => Typical | undefined;

/** @param cost by the balancer, whatever it is; its process' own time is a column of its own where that is less */
export function requestsReport(results: Results, cost: Cost, own: boolean): string {
  return [
    `### Requests on connections that stay\n\n${requestsTable(results, 'kept', 'requests/s', cost, own)}`,
    `### New connections\n\n${requestsTable(results, 'new', 'connections/s', cost, own)}`,
  ].join('\n\n');
}

function requestsTable(results: Results, kind: RequestKind, unit: string, cost: Cost, own: boolean): string {
  const rows = [...results].map(([way, { title, requests }]) => {
    const rate = rateOf(results, way, kind);
    const latency = (of: 'p50' | 'p99') => milliseconds(typical(requests[kind].map((run) => run[of])).median / 1000);
    const taken = cost(way, kind);
    const process = requests[kind].flatMap((run) => run.process ?? []);
    return [
      title,
      withSpread(rate, (value) => value.toFixed(0)),
      times(rate.median, rateOf(results, REFERENCE, kind).median),
      latency('p50'),
      latency('p99'),
      taken === undefined ? '' : withSpread(taken, (value) => value.toFixed(Math.abs(value) < 10 ? 1 : 0)),
      ...(own ? [process.length === 0 ? '' : typical(process).median.toFixed(0)] : []),
    ];
  });
  const headings = [
    'way',
    unit,
    'of HAProxy’s',
    'p50',
    'p99',
    'balancer, µs a request',
    ...(own ? ['its process'] : []),
  ];
  return markdownTable(headings, rows);
}

export function bulkReport(results: Results): string {
  const rows = [...results.values()].map(({ title, bulk }) => {
    const cells = (['up', 'down'] as const).flatMap((direction) => {
      const rate = typical(bulk[direction]);
      const reference = typical(resultsOf(results, REFERENCE).bulk[direction]);
      return [withSpread(rate, (bits) => (bits / 1e9).toFixed(1)), times(rate.median, reference.median)];
    });
    return [title, ...cells];
  });
  const headings = ['way', 'Gbit/s to the server', 'of HAProxy’s', 'Gbit/s to the client', 'of HAProxy’s'];
  return `### Throughput\n\n${markdownTable(headings, rows)}`;
}

/** What a second tier costs, against single ones. */
export function tiersTable(results: Results, pairs: readonly (readonly [two: string, one: string])[]): string {
  const rows = pairs.map(([two, one]) => [
    resultsOf(results, two).title,
    resultsOf(results, one).title,
    ...(['kept', 'new'] as const).map((kind) => {
      const share = 1 - rateOf(results, two, kind).median / rateOf(results, one, kind).median;
      return `${(share * 100).toFixed(0)} %`;
    }),
  ]);
  return markdownTable(['way', 'compared with', 'fewer requests/s', 'fewer connections/s'], rows);
}

/** How much several balancers do together; the first of the results is one alone. */
export function scaleOutReport(results: Results): string {
  const [one = ''] = results.keys();
  const rows = [...results.keys()].map((way) => [
    resultsOf(results, way).title,
    ...(['kept', 'new'] as const).flatMap((kind) => {
      const rate = rateOf(results, way, kind);
      return [withSpread(rate, (value) => value.toFixed(0)), times(rate.median, rateOf(results, one, kind).median)];
    }),
  ]);
  return markdownTable(['balancers', 'requests/s', 'of one’s', 'connections/s', 'of one’s'], rows);
}

function rateOf(results: Results, way: string, kind: RequestKind): Typical {
  return typical(resultsOf(results, way).requests[kind].map(({ perSecond }) => perSecond));
}

function withSpread({ median, least, most }: Typical, format: (value: number) => string): string {
  return `${format(median)} (${format(least)}–${format(most)})`;
}
