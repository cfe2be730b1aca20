/**
 * `npm run bench -- control-plane`: how soon a new server gets its first connection, and one that leaves its last.
 * Prints Markdown, and writes all measurements as JSON to the file that `--results` names.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { requireMachine } from '../lab/index.js';
import { type Contender, measure } from './control-plane/measure.js';
import { reportOf } from './control-plane/report.js';
import type { Decline, Growth } from './control-plane/results.js';
import { startSwarm } from './control-plane/swarm.js';
import { startTestbed } from './control-plane/testbed.js';
import { milliseconds } from './markdown.js';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, results: { type: 'string' } },
});
const RUNS = options.quick ? 2 : 6;
const SWARM_RUNS = options.quick ? 1 : 5;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

requireMachine();
await using testbed = await startTestbed(say);
const measured: Record<string, { readonly title: string; readonly growth: Growth[]; readonly decline: Decline[] }> = {};

async function run(name: string, contender: Contender): Promise<void> {
  const { growth, decline } = await measure(testbed.client, contender);
  const into = (measured[name] ??= { title: contender.title, growth: [], decline: [] });
  into.growth.push(growth);
  into.decline.push(decline);
  const { command, listening } = growth;
  const of = listening === undefined ? '' : `, of which ${milliseconds(listening)} since it listened`;
  say(
    `${name}: first byte after ${milliseconds(command)}${of}; ${growth.failures} failed; last after ${milliseconds(decline.command)}, ${decline.failures} failed`,
  );
}

// They take turns, so that what else the machine does falls on all alike.
for (let turn = 1; turn <= RUNS; turn += 1)
  for (const [name, contender] of testbed.contenders) await run(name, contender);
// Last: it adds its own rules to the same dockerd's.
const swarm = await startSwarm(testbed.docker);
say('swarm: up');
for (let turn = 1; turn <= SWARM_RUNS; turn += 1) await run('swarm', swarm);

process.stdout.write(`${reportOf(measured)}\n`);
if (options.results !== undefined) await writeFile(options.results, `${JSON.stringify(measured)}\n`);
