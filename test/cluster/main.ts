/**
 * `npm run cluster [-- KIND [COMMAND]]`: a machine with a whole cluster in it, to look around in, or one command in it,
 * whose exit status it takes. KIND is one of kinds.ts; default droute.
 */
import { join } from 'node:path';
import { type Machine, projectRoot, startMachine } from '../lab/index.js';
import { converse, runShown } from '../lab/converse.js';
import { isKind, KINDS, READY } from './kinds.js';

const A_DAY = 24 * 3600 * 1000;

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main([kind = 'droute', ...command]: readonly string[]): Promise<number> {
  if (!isKind(kind)) {
    process.stderr.write(`usage: npm run cluster [-- ${Object.keys(KINDS).join('|')} [COMMAND]]\n`);
    return 2;
  }
  const interrupt = new AbortController();
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupt.abort(signal));
  await using machine = await startMachine({ name: 'cluster', memory: '1536M', log, signal: interrupt.signal });
  if (!(await build(machine, kind))) return 1;
  const [line = ''] = command;
  if (command.length === 0) return await converse(machine);
  return await runShown(machine, command.length === 1 ? line : command, interrupt.signal);
}

/** Leaves it running. @returns whether it is there */
async function build(machine: Machine, kind: string): Promise<boolean> {
  const up = join(projectRoot(), 'test', 'dist', 'cluster', 'up.js');
  return await new Promise<boolean>((resolve) => {
    const onOutput = (text: string) => {
      process.stderr.write(text);
      if (text.includes(`\n${READY}\n`)) resolve(true);
    };
    // It ends only if it failed, or with the machine.
    const ended = () => resolve(false);
    machine.run([process.execPath, up, kind], { timeout: A_DAY, onOutput }).then(ended, ended);
  });
}

process.exitCode = await main(process.argv.slice(2));
