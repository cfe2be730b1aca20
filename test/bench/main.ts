/**
 * `npm run bench [-- PART...] [--quick]`: measures in a machine of the lab, says on what, and writes what comes out of
 * `kernel` to docs/benchmarks.md. `--quick` is for trying it: fewer runs, and nothing is written.
 */
import { join } from 'node:path';
import { projectRoot, startMachine } from '../lab/index.js';
import { describeHost, describeMachine } from './describe.js';
import { writeSection } from './document.js';

const PARTS = ['start', 'kernel'] as const;
const DEADLINE = 1_800_000;
const DOCUMENT = join(projectRoot(), 'docs', 'benchmarks.md');

const words = process.argv.slice(2);
const wanted = PARTS.filter((part) => words.includes(part));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using machine = await startMachine({ name: 'bench', memory: '3G', signal: stop.signal });
const description = `${describeHost()}\n${await describeMachine(machine)}`;
process.stdout.write(`${description}\n\n`);
for (const part of wanted.length > 0 ? wanted : PARTS) {
  const script = join(projectRoot(), 'test', 'dist', 'bench', `${part}.js`);
  const rest = words.filter((word) => !PARTS.some((name) => name === word));
  const report = await machine.output([process.execPath, script, ...rest], {
    timeout: DEADLINE,
    signal: stop.signal,
    onOutput: (text, stream) => process[stream].write(text),
  });
  // A part of a part, or a quick run, is no measurement to be kept.
  if (part === 'kernel' && rest.length === 0) {
    const command = `npm run bench -- ${part}`;
    await writeSection(DOCUMENT, part, `${description}\n\nMeasured by \`${command}\`.\n\n${report.trim()}`);
  }
}
