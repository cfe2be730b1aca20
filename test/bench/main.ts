/** `npm run bench`: measures in a machine of the lab, and says on what. */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { projectRoot, startMachine } from '../lab/index.js';

const PARTS = ['start'] as const;
const DEADLINE = 600_000;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using machine = await startMachine({ name: 'bench', memory: '1536M', signal: stop.signal });
const kernel = (await machine.output(['uname', '-r'])).trim();
process.stdout.write(`${cpus().length} × ${cpus()[0]?.model}; in a ${machine.kind} machine, Linux ${kernel}\n\n`);
for (const part of PARTS)
  await machine.output([process.execPath, join(projectRoot(), 'test', 'dist', 'bench', `${part}.js`)], {
    timeout: DEADLINE,
    signal: stop.signal,
    onOutput: (text, stream) => process[stream].write(text),
  });
