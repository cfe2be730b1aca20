import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { until } from '../../../test/fixtures/until.js';
import { projectRoot } from '../../../test/lab/index.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  /** What standard input holds; by default nothing. */
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** Default `clusterf`. */
  readonly command?: 'clusterf' | 'clusterf-config';
}

function start(args: readonly string[], { env = {}, command = 'clusterf' }: RunOptions): ChildProcess {
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', `${command}.cjs`);
  return spawn(bin, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
}

/** Runs a command as an operator does, to its end. */
export async function clusterf(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = start(args, options);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new TypeError('its streams are pipes');
  // One that ends without reading its input breaks the pipe.
  stdin.on('error', () => undefined);
  stdin.end(options.input ?? '');
  const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout: out, stderr: err };
}

/** A command that goes on until it is told to end. */
export class RunningCommand implements AsyncDisposable {
  output = '';
  errors = '';
  readonly #child: ChildProcess;

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.#child = start(args, options);
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk));
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.errors += chunk));
  }

  /** Waits until its output is like that. */
  async prints(expected: RegExp): Promise<void> {
    await until(`it prints ${String(expected)}; it printed ${this.output}${this.errors}`, () =>
      expected.test(this.output),
    );
  }

  async complains(expected: RegExp): Promise<void> {
    await until(`it complains ${String(expected)}`, () => expected.test(this.errors));
  }

  /** Goes away as the reader of its output. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }

  /** @returns the exit code, or null if a signal ended it */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
