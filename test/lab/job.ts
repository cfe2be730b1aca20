import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { CommandFailed, CommandTimedOut } from './errors.js';
import { LastLines } from './lastLines.js';
import { quote } from './quote.js';
import { completeLine, Tail } from './watch.js';

/** A program and its arguments, or a line for bash. */
export type Command = string | readonly string[];

export type OutputStream = 'stdout' | 'stderr';

export interface RunOptions {
  /** Milliseconds until the command and all it started are killed. Default 60 000. */
  readonly timeout?: number;
  /** Added to the machine's own environment; nothing of the host's is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the project's root, which has the same path inside. */
  readonly cwd?: string;
  /** Standard input; default: none. */
  readonly input?: string | Uint8Array;
  /** Aborting kills the command, and `run` throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with output as it is written. */
  readonly onOutput?: (text: string, stream: OutputStream) => void;
}

export interface RunResult {
  /** Exit status; 128 + n after signal n; 127 where there is no such program. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came: for output that is not text. */
  readonly stdoutBytes: Buffer;
}

/** What a job needs of its machine. */
export interface Host {
  readonly name: string;
  /** The machine's directory on the host; /run/lab inside. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly defaultCwd: string;
  /** Aborted when the machine ends; its reason says why. */
  readonly ended: AbortSignal;
  readonly order: (line: string) => void;
  /** The end of the kernel's console. */
  readonly console: () => string;
}

/** A killed command ends at once, unless the kernel itself hangs. */
const KILL_DEADLINE = 10_000;

/**
 * Runs one command in a machine. A job is a directory that host and machine share: `command`, `stdin`, `stdout`, `stderr`,
 * and `status`, written last.
 */
export async function runJob(host: Host, id: number, command: Command, options: RunOptions): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const { timeout = 60_000 } = options;
  const directory = join(host.directory, 'jobs', String(id));
  mkdirSync(directory);
  if (options.input !== undefined) writeFileSync(join(directory, 'stdin'), options.input);
  writeFileSync(join(directory, 'command'), script(host, id, command, options));

  const lastLines = new LastLines(20);
  const outputs = (['stdout', 'stderr'] as const).map((stream) => {
    const forward = (text: string): void => {
      if (text === '') return;
      lastLines.add(text);
      options.onOutput?.(text, stream);
    };
    return new Output(join(directory, stream), forward);
  });
  const deadline = AbortSignal.timeout(timeout);
  const interrupts = [deadline, ...(options.signal === undefined ? [] : [options.signal])];
  const kill = (): void => host.order(`kill ${id}`);
  const interrupted = AbortSignal.any(interrupts);
  interrupted.addEventListener('abort', kill);
  // Killed or not, a command is over when its status is there; only one that cannot be killed is given up.
  const givenUp = new AbortController();
  let lastResort: NodeJS.Timeout | undefined;
  interrupted.addEventListener('abort', () => {
    lastResort = setTimeout(() => givenUp.abort(interrupted.reason), KILL_DEADLINE);
  });
  try {
    host.order(`run ${id}`);
    const status = await completeLine(join(directory, 'status'), AbortSignal.any([host.ended, givenUp.signal]), () => {
      for (const output of outputs) output.follow();
    });
    interrupted.throwIfAborted();
    const [stdout, stderr] = outputs.map((output) => output.bytes());
    return {
      status: Number(status),
      stdout: stdout?.toString() ?? '',
      stderr: stderr?.toString() ?? '',
      stdoutBytes: stdout ?? Buffer.alloc(0),
    };
  } catch (error) {
    if (!deadline.aborted || interrupted.reason !== deadline.reason) throw error;
    throw new CommandTimedOut(
      `Machine ${host.name}: killed after ${timeout / 1000} s: ${describe(command)}\n` +
        `its last output:\n${lastLines.indented()}\nthe kernel's console:\n${host.console()}`,
    );
  } finally {
    clearTimeout(lastResort);
    for (const output of outputs) output.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A command as one would type it, cut to a readable length. */
export function describe(command: Command): string {
  const line = typeof command === 'string' ? command : command.map(quote).join(' ');
  return line.length <= 200 ? line : `${line.slice(0, 200)}…`;
}

/** @throws CommandFailed unless the status is 0 */
export function requireSuccess(machine: string, command: Command, { status, stdout, stderr }: RunResult): void {
  if (status === 0) return;
  const lastLines = new LastLines(20);
  lastLines.add(`${stdout}\n${stderr}`);
  throw new CommandFailed(
    `Machine ${machine}: status ${status}: ${describe(command)}\n${lastLines.indented()}`,
    status,
  );
}

function script(host: Host, id: number, command: Command, { env = {}, cwd, input }: RunOptions): string {
  const words = typeof command === 'string' ? ['/bin/bash', '-c', command] : command;
  const variables = Object.entries({ ...host.environment, ...env }).map(([name, value]) => `${name}=${quote(value)}`);
  const stdin = input === undefined ? '/dev/null' : `/run/lab/jobs/${id}/stdin`;
  return [
    `export ${variables.join(' ')}`,
    `cd -- ${quote(cwd ?? host.defaultCwd)} || exit 1`,
    `exec ${words.map(quote).join(' ')} <${stdin}`,
    '',
  ].join('\n');
}

/** One output stream of a job: collected, and passed on as text that is cut only between characters. */
class Output {
  readonly #tail: Tail;
  readonly #forward: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  readonly #chunks: Buffer[] = [];

  constructor(path: string, forward: (text: string) => void) {
    this.#tail = new Tail(path);
    this.#forward = forward;
  }

  follow(): void {
    const chunk = this.#tail.read();
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#forward(this.#decoder.write(chunk));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  close(): void {
    this.#tail.close();
  }
}
