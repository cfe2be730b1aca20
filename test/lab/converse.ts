import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import type { RunOptions } from './job.js';
import type { Machine } from './machine.js';
import { quote } from './quote.js';

/** A command of a person's may take its time. */
const A_DAY = 24 * 3600 * 1000;

/** Commands from the terminal to one bash after another; where it was left (directory, variables, status) is kept between them. */
export async function converse(machine: Machine): Promise<number> {
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY,
    historySize: 1000,
  });
  process.stdout.write(
    `${machine.name}: a ${machine.kind} machine with IPVS; you are root, and nothing you do outlives it.\n` +
      'No terminal inside; Ctrl-C kills the command, Ctrl-D or exit ends the machine. What is to run on shows itself in a\n' +
      'file only: etcd >etcd.log 2>&1 &\n',
  );
  let interrupt = new AbortController();
  let state = { cwd: '/root', status: 0 };
  // At an idle prompt Ctrl-C drops the line typed so far, as a shell does.
  let idle = true;
  /** The lines so far of a command that is not complete. */
  let typed = '';
  terminal.on('SIGINT', () => {
    if (!idle) return interrupt.abort('SIGINT');
    typed = '';
    process.stdout.write('^C\n');
    terminal.write(null, { ctrl: true, name: 'e' });
    terminal.write(null, { ctrl: true, name: 'u' });
    prompt();
  });
  const prompt = (): void => {
    if (typed !== '') terminal.setPrompt('> ');
    else terminal.setPrompt(`${state.status === 0 ? '' : `[${state.status}] `}${machine.name}:${state.cwd}# `);
    terminal.prompt();
  };
  prompt();
  for await (const line of terminal) {
    typed += `${line}\n`;
    if (/^\s*exit\s*$/.test(typed)) break;
    if (isComplete(typed)) {
      const command = typed;
      typed = '';
      interrupt = new AbortController();
      idle = false;
      if (command.trim() !== '') state = await runTyped(machine, command, state, interrupt.signal);
      idle = true;
    }
    prompt();
  }
  terminal.close();
  return state.status;
}

interface ShellState {
  readonly cwd: string;
  readonly status: number;
}

/** Whether a shell would ask for another line. */
export function isComplete(text: string): boolean {
  if (/(?:^|[^\\])(?:\\\\)*\\\n$/.test(text)) return false;
  const { stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  return !/unexpected end of file|unexpected EOF|delimited by end-of-file/.test(stderr);
}

/** Every command is a bash of its own, which tells at its end where it stands. */
async function runTyped(machine: Machine, typed: string, state: ShellState, signal: AbortSignal): Promise<ShellState> {
  const [directory, variables] = ['/run/lab/cwd', '/run/lab/variables'];
  const before = [
    `[ -e ${variables} ] && . ${variables}`,
    `cd ${quote(state.cwd)} 2>/dev/null || cd /`,
    `trap 'pwd >${directory}; export -p >${variables}' EXIT`,
    'set -a',
  ];
  const status = await runShown(machine, `${before.join('\n')}\n${typed}`, signal, { cwd: '/' });
  const cwd = await machine.run(['cat', directory]);
  return { cwd: cwd.status === 0 ? cwd.stdout.trimEnd() : state.cwd, status };
}

/** Runs a command in a machine, its output shown. @returns its exit status, 130 if it was interrupted */
export async function runShown(
  machine: Machine,
  command: string | readonly string[],
  signal: AbortSignal,
  options: RunOptions = {},
): Promise<number> {
  try {
    const { status } = await machine.run(command, {
      ...options,
      timeout: A_DAY,
      signal,
      onOutput: (text, stream) => void process[stream].write(text),
    });
    return status;
  } catch (error) {
    if (signal.aborted) return 130;
    throw error;
  }
}
