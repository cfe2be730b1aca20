/** The results as docs/benchmarks.md has them. */
import { markdownTable, milliseconds, times } from '../markdown.js';
import type { RequestKind } from './measure.js';
import { costOfBalancing, type Results, resultsOf, typical, type Typical } from './results.js';
import { WAY_NAMES, type WayName } from './topology.js';

/** Whom the ratios are to. */
const REFERENCE = 'haproxy' satisfies WayName;

export function reportOf(results: Results): string {
  return [
    `### Requests on connections that stay\n\n${requestsTable(results, 'kept', 'requests/s')}`,
    `### New connections\n\n${requestsTable(results, 'new', 'connections/s')}`,
    `### Throughput\n\n${bulkTable(results)}`,
    `### Two tiers\n\n${tiersTable(results)}`,
  ].join('\n\n');
}

function requestsTable(results: Results, kind: RequestKind, unit: string): string {
  const rows = WAY_NAMES.map((way) => {
    const { title, requests } = resultsOf(results, way);
    const rate = rateOf(results, way, kind);
    const latency = (of: 'p50' | 'p99') => milliseconds(typical(requests[kind].map((run) => run[of])).median / 1000);
    const own = requests[kind].flatMap(({ process }) => process ?? []);
    return [
      title,
      withSpread(rate, (value) => value.toFixed(0)),
      times(rate.median, rateOf(results, REFERENCE, kind).median),
      latency('p50'),
      latency('p99'),
      way === 'direct' ? '' : withSpread(costOfBalancing(results, way, kind), (value) => value.toFixed(0)),
      own.length === 0 ? '' : typical(own).median.toFixed(0),
    ];
  });
  const headings = [
    'way',
    unit,
    'HAProxy’s',
    'p50',
    'p99',
    'processor time of the balancer, µs a request',
    'of its process',
  ];
  return markdownTable(headings, rows);
}

function bulkTable(results: Results): string {
  const rows = WAY_NAMES.map((way) => {
    const cells = (['up', 'down'] as const).flatMap((direction) => {
      const rate = typical(resultsOf(results, way).bulk[direction]);
      const reference = typical(resultsOf(results, REFERENCE).bulk[direction]);
      return [withSpread(rate, (bits) => (bits / 1e9).toFixed(1)), times(rate.median, reference.median)];
    });
    return [resultsOf(results, way).title, ...cells];
  });
  return markdownTable(['way', 'Gbit/s to the server', 'HAProxy’s', 'Gbit/s to the client', 'HAProxy’s'], rows);
}

/** What the second tier costs, against the better of the single ones that it could be compared with. */
function tiersTable(results: Results): string {
  const pairs = [
    ['twoTierDroute', 'droute'],
    ['twoTierDroute', 'masq'],
    ['twoTierTunnel', 'tunnel'],
    ['twoTierTunnel', 'masq'],
  ] as const satisfies readonly (readonly [WayName, WayName])[];
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

function rateOf(results: Results, way: WayName, kind: RequestKind): Typical {
  return typical(resultsOf(results, way).requests[kind].map(({ perSecond }) => perSecond));
}

function withSpread({ median, least, most }: Typical, format: (value: number) => string): string {
  return `${format(median)} (${format(least)}–${format(most)})`;
}
