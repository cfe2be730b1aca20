/**
 * `npm run bench -- data-plane-alone`: the same with the balancer alone in its kernel, on a core of its own. Runs on the
 * host, as root, in namespaces of its own. Prints Markdown, and writes all measurements as JSON to what `--results` names.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { describeMachine } from './describe.js';
import { startAlone } from './data-plane/alone.js';
import { ALONE } from './data-plane/alone-network.js';
import { requestsReport } from './data-plane/report.js';
import { resultsOf, typical } from './data-plane/results.js';
import type { Way } from './data-plane/topology.js';
import { measureInTurns } from './data-plane/turns.js';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, results: { type: 'string' } },
});
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

await using alone = await startAlone(stop.signal);
const { machine, run, load, used } = alone;
process.stdout.write(`${await describeMachine(machine, ['haproxy', 'nginx'])}\n\n`);
const client = { run, load, connections: 64, seconds: options.quick ? 1 : 1.5 };
const ways = Object.entries<Way>(ALONE).map(([name, way]) => [name, { ...way, used }] as const);
// No bulk data: that would measure the link of a user-mode kernel, not what balances.
const results = await measureInTurns(client, ways, {
  runs: options.quick ? 1 : 5,
  directions: [],
  say: (text) => void process.stderr.write(`${text}\n`),
});
const cost = (way: string, kind: 'kept' | 'new') =>
  typical(resultsOf(results, way).requests[kind].flatMap(({ process: taken }) => taken ?? []));
process.stdout.write(`${requestsReport(results, cost, false)}\n`);
if (options.results !== undefined) await writeFile(options.results, `${JSON.stringify(Object.fromEntries(results))}\n`);
