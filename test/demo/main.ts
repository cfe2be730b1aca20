/** `npm run demo`: starts a machine with kernel IPVS and tells the story in it. Exits with 1 if it did not go so. */
import { join } from 'node:path';
import { projectRoot, startMachine } from '../lab/index.js';

/** The story takes about a minute; a slow machine may need more. */
const DEADLINE = 300_000;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const began = performance.now();
await using machine = await startMachine({ name: 'demo', memory: '1536M', signal: stop.signal });
const kernel = (await machine.output(['uname', '-r'])).trim();
process.stdout.write(
  `A machine of its own for the demo is up: ${machine.kind === 'uml' ? 'a user-mode kernel' : 'namespaces of this kernel'}, Linux ${kernel}. The story takes about 80 s.\n`,
);
const { status } = await machine.run([process.execPath, join(projectRoot(), 'test', 'dist', 'demo', 'story.js')], {
  timeout: DEADLINE,
  signal: stop.signal,
  onOutput: (text, stream) => process[stream].write(text),
});
await machine.stop();
process.stdout.write(
  `${status === 0 ? 'All of it was so.' : 'That did not go as it should: see above.'} ${Math.round((performance.now() - began) / 1000)} s; the machine and all that ran in it are gone.\n`,
);
process.exitCode = status === 0 ? 0 : 1;
