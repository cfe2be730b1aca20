/**
 * `npm run bench -- scale-out`: what one, two and four balancers do together, each with the same share of a processor.
 * Runs on the host, as root, in namespaces of its own. Prints Markdown, and writes all measurements as JSON to what
 * `--results` names.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { scaleOutReport } from './data-plane/report.js';
import { startSeveral, VIRTUAL } from './data-plane/several.js';
import { measureInTurns } from './data-plane/turns.js';

const COUNTS = [1, 2, 4] as const;
/** Of a processor. Small, so that the two ends can do what all balancers together can. */
const SHARE = 0.1;

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, results: { type: 'string' } },
});
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

await using several = await startSeveral(Math.max(...COUNTS), SHARE, stop.signal);
const { run, load, use } = several;
const client = { run, load, connections: 64, seconds: options.quick ? 1 : 3 };
const ways = COUNTS.map(
  (count) => [String(count), { title: String(count), targets: [VIRTUAL], prepare: () => use(count) }] as const,
);
const results = await measureInTurns(client, ways, {
  runs: options.quick ? 1 : 5,
  directions: [],
  say: (text) => void process.stderr.write(`${text}\n`),
});
process.stdout.write(`Each balancer has ${SHARE * 100} % of a processor.\n\n${scaleOutReport(results)}\n`);
if (options.results !== undefined) await writeFile(options.results, `${JSON.stringify(Object.fromEntries(results))}\n`);
