/**
 * `npm run bench -- data-plane`: what balancers make of traffic, beside each other. Prints Markdown, and writes all
 * measurements as JSON to the file that `--results` names.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { requireMachine } from '../lab/index.js';
import { type Direction, measureBulk, measureRequests, type RequestKind, type Requests } from './data-plane/measure.js';
import { reportOf } from './data-plane/report.js';
import { startTestbed } from './data-plane/testbed.js';
import { WAY_NAMES, WAYS, type WayName } from './data-plane/topology.js';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, results: { type: 'string' } },
});
const RUNS = options.quick ? 1 : 5;
/** For each measurement. */
const SECONDS = options.quick ? 1 : 1.5;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

requireMachine();
await using testbed = await startTestbed(say);
say('all ways lead somewhere');
const measured = new Map(
  WAY_NAMES.map((way) => {
    const requests: Record<RequestKind, Requests[]> = { kept: [], new: [] };
    const bulk: Record<Direction, number[]> = { up: [], down: [] };
    return [way, { title: WAYS[way].title, requests, bulk }] as const;
  }),
);

type Recorded = NonNullable<ReturnType<typeof measured.get>>;

/** They take turns with each measurement, so that what else the machine does falls on all alike. */
async function inTurns(what: string, measure: (way: WayName, into: Recorded) => Promise<string>): Promise<void> {
  const said: string[] = [];
  for (const [way, into] of measured) said.push(`${way} ${await measure(way, into)}`);
  say(`${what}: ${said.join(', ')}`);
}

for (let run = 1; run <= RUNS; run += 1) {
  for (const kind of ['kept', 'new'] as const)
    await inTurns(kind, async (way, { requests }) => {
      const outcome = await measureRequests(testbed, way, kind, SECONDS);
      requests[kind].push(outcome);
      return outcome.perSecond.toFixed(0);
    });
  for (const direction of ['up', 'down'] as const)
    await inTurns(direction, async (way, { bulk }) => {
      const bits = await measureBulk(testbed, way, direction, SECONDS);
      bulk[direction].push(bits);
      return (bits / 1e9).toFixed(1);
    });
}
process.stdout.write(`${reportOf(measured)}\n`);
if (options.results !== undefined)
  await writeFile(options.results, `${JSON.stringify(Object.fromEntries(measured))}\n`);
