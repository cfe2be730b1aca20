/** The programs that are measured, as processes; what they log goes to a file, as it would go to a journal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../lab/project.js';
import { processorTime } from './processor-time.js';

export class Contender implements AsyncDisposable {
  /** When it was started, by `performance.now()`. */
  readonly began: number;
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #ended: Promise<unknown>;

  constructor(program: string, args: readonly string[], files: { readonly log: string; readonly input?: string }) {
    this.#log = files.log;
    const input = files.input === undefined ? 'ignore' : openSync(files.input, 'r');
    const log = openSync(files.log, 'w');
    this.began = performance.now();
    this.#child = spawn(program, args, { stdio: [input, log, log] });
    this.#ended = once(this.#child, 'exit');
    closeSync(log);
    if (typeof input === 'number') closeSync(input);
  }

  /** Of its log, as it is by now. */
  text(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** The messages of its JSON log. */
  messages(): string[] {
    return this.text()
      .split('\n')
      .flatMap((line) => /"message":"([^"]*)"/.exec(line)?.[1] ?? []);
  }

  /** Waits for its end. @returns how long it ran, in milliseconds. @throws {Error} if it failed */
  async finished(): Promise<number> {
    await this.#ended;
    const took = performance.now() - this.began;
    if (this.#child.exitCode !== 0) throw new Error(`status ${this.#child.exitCode}: ${this.text().slice(-1000)}`);
    return took;
  }

  /** Of /proc/PID/status, in MB. */
  memory(field: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  }

  /** User and system time used so far, in milliseconds. */
  cpu(): number {
    return processorTime(this.#child.pid ?? Number.NaN);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** One of the commands, started as it is when installed. */
export function startCommand(
  name: 'clusterf-docker' | 'clusterf-ipvs',
  args: readonly string[],
  log: string,
): Contender {
  const command = join(projectRoot(), 'packages', 'cli', 'bin', `${name}.js`);
  return new Contender(command, ['--log-format', 'json', ...args], { log });
}
