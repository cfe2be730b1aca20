/** `npm run figures`: draws docs/figures from what the bench has recorded in docs/results. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../lab/project.js';
import { typical, type Typical, type WayResults } from './data-plane/results.js';
import { type Bar, barChart, type Side } from './figures/bar-chart.js';
import { recorded } from './figures/recorded.js';

interface Figure {
  /** Of the bench. */
  readonly part: string;
  readonly title: string;
  readonly value: (way: WayResults) => Typical;
  readonly format: (value: number) => string;
  /** Of a way's name, where that is not its title. */
  readonly label?: (way: WayResults) => string;
}

const perSecond = (kind: 'kept' | 'new') => (way: WayResults) =>
  typical(way.requests[kind].map((run) => run.perSecond));
const gigabits = (way: WayResults) => typical(way.bulk.up.map((bits) => bits / 1e9));
const balancerTime = (way: WayResults) => typical(way.requests.kept.flatMap((run) => run.process ?? []));
const balancers = ({ title }: WayResults) => (title === '1' ? '1 balancer' : `${title} balancers`);
const whole = (value: number) => Math.round(value).toLocaleString('en');
const tenths = (value: number) => value.toFixed(1);

/** By the file's name. */
const FIGURES: Readonly<Record<string, Figure>> = {
  'data-plane-requests': {
    part: 'data-plane',
    title: 'Requests a second on connections that stay, all on one processor',
    value: perSecond('kept'),
    format: whole,
  },
  'data-plane-connections': {
    part: 'data-plane',
    title: 'New connections a second, all on one processor',
    value: perSecond('new'),
    format: whole,
  },
  'data-plane-throughput': {
    part: 'data-plane',
    title: 'Gbit/s to the server, all on one processor',
    value: gigabits,
    format: tenths,
  },
  'data-plane-alone-requests': {
    part: 'data-plane-alone',
    title: 'Requests a second, the balancer alone on its processor',
    value: perSecond('kept'),
    format: whole,
  },
  'data-plane-alone-cost': {
    part: 'data-plane-alone',
    title: 'Processor time of the balancer for a request, in microseconds',
    value: balancerTime,
    format: whole,
  },
  'scale-out': {
    part: 'scale-out',
    title: 'Requests a second of balancers that each have the same share of a processor',
    value: perSecond('kept'),
    format: whole,
    label: balancers,
  },
};

/** What nobody balances is there to compare with. */
function sideOf(name: string): Side {
  if (name === 'direct' || name === 'forwarded') return 'measure';
  return ['haproxy', 'nginx', 'keepalived'].includes(name) ? 'others' : 'ours';
}

const directory = join(projectRoot(), 'docs', 'figures');
await mkdir(directory, { recursive: true });
for (const [file, { part, title, value, format, label = (way: WayResults) => way.title }] of Object.entries(FIGURES)) {
  const results = await recorded(part);
  if (results === undefined) {
    process.stderr.write(`${file}.svg: not drawn, since npm run bench -- ${part} was never recorded\n`);
    continue;
  }
  const bars = [...results].map(([name, way]): Bar => ({ label: label(way), value: value(way), side: sideOf(name) }));
  const command = `npm run bench -- ${part} && npm run figures`;
  await writeFile(join(directory, `${file}.svg`), barChart({ title, command, bars, format }));
}
