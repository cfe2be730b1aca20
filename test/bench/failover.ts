/** `npm run bench -- failover`: what becomes of connections when something dies, comes or goes. Prints Markdown. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { KINDS, type Outcome } from '../cluster/failover/outcome.js';
import type { ProfileName } from '../cluster/failover/profiles.js';
import { Scene, type SceneOptions } from '../cluster/failover/scene.js';
import { SITUATIONS, type SituationName, undergo } from '../cluster/failover/situations.js';
import { markdownTable } from './markdown.js';

/** Of BFD, in milliseconds; three missed packets are a death. */
const INTERVAL = 100;

interface Course {
  readonly profile: ProfileName;
  readonly options: SceneOptions;
  readonly situations: readonly SituationName[];
}

/** What docs/results/failover.json has a list of. */
interface Result {
  readonly profile: ProfileName;
  readonly situation: SituationName;
  readonly title: string;
  /** Milliseconds after which the router takes a silent balancer for dead. */
  readonly detection: number;
  readonly outcome: Outcome;
}

const EDGE = ['rehashed', 'withdrawn', 'added', 'killed'] as const;
const CHANGED = ['changedAndKilled', 'killedAndChanged'] as const;
const BEYOND = ['partitioned', 'majorityLost', 'memberLost', 'hostKilled'] as const;

const COURSES: readonly Course[] = [
  { profile: 'sync', options: { interval: INTERVAL }, situations: EDGE },
  { profile: 'resilient', options: { interval: INTERVAL }, situations: EDGE },
  { profile: 'mh', options: { interval: INTERVAL }, situations: [...EDGE, ...CHANGED] },
  { profile: 'both', options: { interval: INTERVAL }, situations: [...EDGE, ...CHANGED] },
  { profile: 'mh', options: { interval: INTERVAL, members: 3 }, situations: BEYOND },
];

async function run({ profile, options, situations }: Course): Promise<Result[]> {
  await using scene = await Scene.start(profile, options);
  const results: Result[] = [];
  for (const situation of situations) {
    const { title } = SITUATIONS[situation];
    let outcome: Outcome;
    try {
      outcome = await undergo(scene, SITUATIONS[situation]);
    } catch (error) {
      // A cluster that is in no known state is good for no further figure; the others are.
      process.stderr.write(`${profile}, ${title}: ${String(error)}\n`);
      break;
    }
    results.push({ profile, situation, title, detection: 3 * INTERVAL, outcome });
    process.stderr.write(`${profile}, ${title}: ${JSON.stringify(outcome)}\n`);
  }
  return results;
}

function row({ profile, title, outcome }: Result): readonly string[] {
  const { connections, longestGap, steady, converged, caughtUp, requests } = outcome;
  return [
    title,
    profile,
    ...KINDS.map((kind) => `${connections[kind].broken} / ${connections[kind].moved} / ${connections[kind].total}`),
    `${longestGap} ms`,
    `${requests.failed} / ${requests.total}`,
    seconds(steady),
    seconds(converged),
    caughtUp === undefined ? '' : seconds(caughtUp),
  ];
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

const HEADINGS = [
  'what happens',
  'profile',
  ...KINDS.map((kind) => `${kind}: broken / moved / all`),
  'longest gap',
  'short ones: failed / all',
  'clients steady',
  'converged',
  'caught up',
] as const;

const { values } = parseArgs({ options: { results: { type: 'string' }, quick: { type: 'boolean' } } });
const results: Result[] = [];
for (const course of COURSES)
  results.push(...(await run(values.quick === true ? { ...course, situations: course.situations.slice(-1) } : course)));
if (values.results !== undefined) await writeFile(values.results, `${JSON.stringify(results, undefined, 2)}\n`);
process.stdout.write(`${markdownTable(HEADINGS, results.map(row))}\n`);
