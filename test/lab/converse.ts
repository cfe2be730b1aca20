import { createInterface } from 'node:readline/promises';
import type { RunOptions } from './job.js';
import type { Machine } from './machine.js';
import { quote } from './quote.js';

/** A command of a person's may take its time. */
const A_DAY = 24 * 3600 * 1000;

/** Lines from the terminal to one bash after another; where it was left (directory, status) is kept between them. */
export async function converse(machine: Machine): Promise<number> {
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY,
    historySize: 1000,
  });
  process.stdout.write(
    `${machine.name}: a ${machine.kind} machine with IPVS; you are root, and nothing you do outlives it.\n` +
      'A line at a time, no terminal inside; Ctrl-C kills the command, Ctrl-D or exit ends the machine.\n',
  );
  let interrupt = new AbortController();
  let state = { cwd: process.cwd(), status: 0 };
  // At an idle prompt Ctrl-C drops the line typed so far, as a shell does.
  let idle = true;
  terminal.on('SIGINT', () => {
    if (!idle) return interrupt.abort('SIGINT');
    process.stdout.write('^C\n');
    terminal.write(null, { ctrl: true, name: 'e' });
    terminal.write(null, { ctrl: true, name: 'u' });
  });
  const prompt = (): void => {
    terminal.setPrompt(`${state.status === 0 ? '' : `[${state.status}] `}${machine.name}:${state.cwd}# `);
    terminal.prompt();
  };
  prompt();
  for await (const line of terminal) {
    if (/^\s*exit\s*$/.test(line)) break;
    if (line.trim() !== '') {
      interrupt = new AbortController();
      idle = false;
      state = await runLine(machine, line, state, interrupt.signal);
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

/** Every line is a bash of its own, which tells at its end where it stands. */
async function runLine(machine: Machine, line: string, state: ShellState, signal: AbortSignal): Promise<ShellState> {
  const memory = '/run/lab/cwd';
  const before = `cd ${quote(state.cwd)} 2>/dev/null || cd /; trap 'pwd >${memory}' EXIT`;
  const status = await runShown(machine, `${before}\n${line}`, signal, { cwd: '/' });
  const cwd = await machine.run(['cat', memory]);
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
