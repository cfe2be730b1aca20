/**
 * `npm run bench -- data-plane`: what balancers make of traffic, beside each other. Prints Markdown, and writes all
 * measurements as JSON to the file that `--results` names.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { requireMachine } from '../lab/index.js';
import { bulkReport, requestsReport, tiersTable } from './data-plane/report.js';
import { costOfBalancing } from './data-plane/results.js';
import { startTestbed } from './data-plane/testbed.js';
import { type WayName, WAY_NAMES, wayOf } from './data-plane/topology.js';
import { measureInTurns } from './data-plane/turns.js';
import { processorTime } from './processor-time.js';

/** What the second tier is compared with: the same without it, and what does the same alone. */
const TIERS = [
  ['twoTierDroute', 'droute'],
  ['twoTierDroute', 'masq'],
  ['twoTierTunnel', 'tunnel'],
  ['twoTierTunnel', 'masq'],
] as const satisfies readonly (readonly [WayName, WayName])[];

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, results: { type: 'string' } },
});
const say = (text: string) => void process.stderr.write(`${text}\n`);

requireMachine();
await using testbed = await startTestbed(say);
const client = {
  run: testbed.client.run.bind(testbed.client),
  load: testbed.load,
  connections: 32,
  seconds: options.quick ? 1 : 1.5,
};
const ways = WAY_NAMES.map((name) => {
  const pid = testbed.processes[name];
  const used = pid === undefined ? undefined : () => processorTime(pid);
  return [name, { ...wayOf(name), used }] as const;
});
const results = await measureInTurns(client, ways, { runs: options.quick ? 1 : 5, directions: ['up', 'down'], say });
const cost = (way: string, kind: 'kept' | 'new') =>
  way === 'direct' ? undefined : costOfBalancing(results, way, kind);
process.stdout.write(
  `${requestsReport(results, cost, true)}\n\n${bulkReport(results)}\n\n### Two tiers\n\n${tiersTable(results, TIERS)}\n`,
);
if (options.results !== undefined) await writeFile(options.results, `${JSON.stringify(Object.fromEntries(results))}\n`);
