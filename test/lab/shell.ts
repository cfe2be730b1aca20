import { converse, runShown } from './converse.js';
import { startMachine } from './index.js';

/**
 * `npm run lab`: a machine to type commands into. `npm run lab -- COMMAND...`: one command, whose exit status it takes.
 * A single argument is a line for bash, several are a program and its arguments.
 */
async function main(words: readonly string[]): Promise<number> {
  const memory = process.env['CLUSTERF_LAB_MEMORY'];
  await using machine = await startMachine({
    name: 'lab',
    log: (line) => void process.stderr.write(`${line}\n`),
    ...(memory === undefined ? {} : { memory }),
  });
  if (words.length === 0) return await converse(machine);
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupt.abort(signal));
  }
  const [line = ''] = words;
  return await runShown(machine, words.length === 1 ? line : words, interrupt.signal);
}

process.exitCode = await main(process.argv.slice(2));
