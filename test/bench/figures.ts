/** `npm run figures`: draws docs/figures from what the bench has recorded in docs/results. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { edge } from '../cluster/description.js';
import { failoverCluster, WEB } from '../cluster/failover/scene.js';
import { projectRoot } from '../lab/project.js';
import { typical, type Typical, type WayResults } from './data-plane/results.js';
import { type Bar, barChart, type Side } from './figures/bar-chart.js';
import {
  recordedControlPlane,
  type RecordedControlPlane,
  recordedFailovers,
  recordedWays,
} from './figures/recorded.js';
import { type TimeLine, timeLines } from './figures/time-lines.js';
import { topology } from './figures/topology.js';

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

type ControlPlaneWay = RecordedControlPlane[string];

/** Shorter than what the tables say. */
const CONTROL_PLANE_LABELS: Readonly<Record<string, string>> = {
  oneTier: 'one tier, a container of Docker’s',
  twoTiers: 'two tiers, a container of Docker’s',
  tree: 'put into our tree, no Docker',
  keepalived: 'keepalived, reloaded',
  swarm: 'Docker Swarm, its routing mesh',
};

const SHORT: Readonly<Record<string, string>> = {
  'a host is drained and a container added, and at once a balancer dies': 'destinations change, then one dies',
  'a balancer dies, and meanwhile a host is drained and a container added': 'one dies as destinations change',
  'etcd loses one of three members; a container is added': 'etcd loses one of three members',
  'etcd loses two of three members; a container is added': 'etcd loses its majority',
  'a balancer is cut off from etcd; a container is added': 'a balancer is cut off from etcd',
};

/** What nobody balances is there to compare with. */
function sideOf(name: string): Side {
  if (name === 'direct' || name === 'forwarded') return 'measure';
  return ['haproxy', 'nginx', 'keepalived', 'swarm'].includes(name) ? 'others' : 'ours';
}

const directory = join(projectRoot(), 'docs', 'figures');
await mkdir(directory, { recursive: true });

async function draw(file: string, drawing: string | undefined): Promise<void> {
  if (drawing === undefined) process.stderr.write(`${file}.svg: not drawn, since what it shows was never recorded\n`);
  else await writeFile(join(directory, `${file}.svg`), drawing);
}

/** What remakes a figure. */
function remake(part: string): string {
  return `npm run bench -- ${part} && npm run figures`;
}

async function ways({ part, title, value, format, label = (way) => way.title }: Figure): Promise<string | undefined> {
  const results = await recordedWays(part);
  if (results === undefined) return undefined;
  const bars = [...results].map(([name, way]): Bar => ({ label: label(way), value: value(way), side: sideOf(name) }));
  return barChart({ title, command: remake(part), bars, format });
}

async function controlPlane(
  title: string,
  value: (way: ControlPlaneWay) => readonly number[],
): Promise<string | undefined> {
  const results = await recordedControlPlane();
  if (results === undefined) return undefined;
  const bars = Object.entries(results).map(([name, way]): Bar => {
    const label = CONTROL_PLANE_LABELS[name] ?? way.title;
    return { label, value: typical(value(way)), side: sideOf(name) };
  });
  return barChart({ title, command: remake('control-plane'), bars, format: (ms) => `${Math.round(ms)} ms` });
}

async function failovers(title: string): Promise<string | undefined> {
  const results = await recordedFailovers();
  const detection = results?.[0]?.detection;
  if (results === undefined || detection === undefined) return undefined;
  const lines = results.map(({ profile, title: what, outcome }): TimeLine => {
    const { talking, idle, young } = outcome.connections;
    const kinds = [talking, idle, young];
    const sum = (of: 'broken' | 'total') => kinds.reduce((all, kind) => all + kind[of], 0);
    return {
      label: `${profile}: ${SHORT[what] ?? what}`,
      silence: outcome.longestGap,
      marks: [
        { name: 'steady', at: outcome.steady },
        { name: 'converged', at: outcome.converged },
        ...(outcome.caughtUp === undefined
          ? []
          : [{ name: 'caught up', at: outcome.converged + outcome.caughtUp } as const]),
      ],
      outcome: `${sum('broken')} of ${sum('total')} broke`,
    };
  });
  return timeLines({ title, command: remake('failover'), lines, detection });
}

for (const [file, figure] of Object.entries(FIGURES)) await draw(file, await ways(figure));
await draw(
  'control-plane-more',
  await controlPlane('A server that listens gets its first connection after', ({ growth }) =>
    growth.map(({ command, listening }) => listening ?? command),
  ),
);
await draw(
  'control-plane-less',
  await controlPlane('A server that is stopped gives its last answer after', ({ decline }) =>
    decline.map(({ command }) => command),
  ),
);
await draw('failover', await failovers('When something dies, comes or goes'));
await draw(
  'two-tiers',
  topology({
    title: 'Two tiers, as the failover tests have them',
    command: 'npm run figures',
    cluster: failoverCluster({ edge1: edge(11), edge2: edge(12) }, true, { members: 3 }),
    virtualAddress: WEB.ipv4,
  }),
);
