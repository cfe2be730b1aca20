import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Dockerd } from '../fixtures/dockerd.js';
import { until } from '../fixtures/until.js';

const run = promisify(execFile);

/** What the kernel says of a process: `proc(5)`, `status`. */
export interface Privileges {
  readonly uid: number;
  /** Capabilities, as bits in hexadecimal. */
  readonly effective: string;
  readonly bounding: string;
  readonly noNewPrivileges: boolean;
}

/** One container of the image, gone with its disposal. */
export class Container implements AsyncDisposable {
  readonly #dockerd: Dockerd;
  readonly name: string;
  #removed = false;

  /** One that runs already. */
  constructor(dockerd: Dockerd, name: string) {
    this.#dockerd = dockerd;
    this.name = name;
  }

  /** `docker run -d` with these words: options, the image, the command. */
  static async run(dockerd: Dockerd, name: string, ...words: readonly string[]): Promise<Container> {
    await dockerd.docker('run', '--detach', '--name', name, ...words);
    return new Container(dockerd, name);
  }

  /** Of the container's first process. */
  async privileges(): Promise<Privileges> {
    const status = await readFile(`/proc/${await this.inspect('{{.State.Pid}}')}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
    return {
      uid: Number(field('Uid')),
      effective: field('CapEff').replace(/^0+(?=.)/, ''),
      bounding: field('CapBnd').replace(/^0+(?=.)/, ''),
      noNewPrivileges: field('NoNewPrivs') === '1',
    };
  }

  /** Waits until Docker says so. */
  async healthIs(health: 'healthy' | 'unhealthy', deadline = 60_000): Promise<void> {
    await until(
      `${this.name} is ${health}`,
      async () => (await this.inspect('{{.State.Health.Status}}')) === health,
      deadline,
      200,
    ).catch(async (cause: unknown) => {
      throw new Error(`${this.name}: ${await this.inspect('{{json .State}}')}\n${await this.logs()}`, { cause });
    });
  }

  /** `docker exec`; resolves to its output, rejects if it fails. */
  async exec(...command: readonly string[]): Promise<string> {
    return await this.#dockerd.docker('exec', this.name, ...command);
  }

  async inspect(format: string): Promise<string> {
    return await this.#dockerd.docker('inspect', '--format', format, this.name);
  }

  /** What it has written, to both streams; with `--follow` until it ends. */
  async logs(...options: readonly '--follow'[]): Promise<string> {
    const { stdout, stderr } = await run('docker', ['--host', this.#dockerd.endpoint, 'logs', ...options, this.name]);
    return stdout + stderr;
  }

  /** `docker stop`. @returns how long it took, in milliseconds, and the exit code */
  async stop(): Promise<{ readonly took: number; readonly exitCode: number }> {
    const began = performance.now();
    await this.#dockerd.docker('stop', this.name);
    const took = performance.now() - began;
    return { took, exitCode: Number(await this.inspect('{{.State.ExitCode}}')) };
  }

  /** Ends it at once; nothing that was mounted goes with it. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    await this.#dockerd.docker('rm', '--force', this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}
