import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { takeCore } from './cores.js';
import { MachineFailed } from './errors.js';
import { type Command, requireSuccess, type RunOptions, type RunResult, runJob } from './job.js';
import { availableKind, type MachineKind } from './kind.js';
import { LastLines } from './lastLines.js';
import { nativeCommand } from './native.js';
import { kill } from './processes.js';
import { cacheDirectory, labFile, projectRoot } from './project.js';
import { quote } from './quote.js';
import { umlCommand } from './uml.js';
import { completeLine } from './watch.js';
import { createWorkDirectory, sweepWorkDirectories } from './workDirectory.js';

export interface MachineOptions {
  /** Its host name and the value of CLUSTERF_LAB_MACHINE inside: small letters, digits and hyphens. */
  readonly name: string;
  /** For a user-mode kernel: `512M`, `2G`. Default `1024M`, of which only what is used is taken from the host. */
  readonly memory?: string;
  /** Default: what the host can do, see `availableKind`. */
  readonly kind?: MachineKind;
  /**
   * Interfaces of the host, in whose place the machine has vec0, vec1 …: it gets what arrives there. Only for a user-mode
   * kernel, and as root; they may have no addresses of their own.
   */
  readonly interfaces?: readonly string[];
  /** Aborting stops the machine, and everything that waits for it throws. */
  readonly signal?: AbortSignal;
  readonly log?: (line: string) => void;
}

/**
 * A Linux machine with IPVS in its kernel, a network of its own and root rights inside. It sees the host's files; what it
 * writes stays inside and goes when it stops. The project has the same path inside as outside and is read-only there,
 * but for node_modules/.cache.
 */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  readonly kind: MachineKind;
  /** Of the process on the host whose children it consists of, and their children. */
  readonly keeperPid: number;
  /**
   * Runs a command as root; any number at once.
   * @throws CommandTimedOut, MachineFailed, or the reason of `options.signal`
   */
  run(command: Command, options?: RunOptions): Promise<RunResult>;
  /**
   * Runs a command that is to succeed.
   * @returns its standard output
   * @throws CommandFailed besides what `run` throws
   */
  output(command: Command, options?: RunOptions): Promise<string>;
  /** Copies a file or directory of the host to `path` inside. */
  copyIn(hostPath: string, path: string): Promise<void>;
  /** Copies a file or directory of the machine to `hostPath`. */
  copyOut(path: string, hostPath: string): Promise<void>;
  /** Ends the machine and everything in it. Calling it again does nothing. */
  stop(): Promise<void>;
}

const BOOT_DEADLINE = 60_000;
const STOP_DEADLINE = 8_000;
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Starts a machine and waits until it takes commands (1 to 2 s for a user-mode kernel).
 * It ends with `stop`, or by itself when this process ends, however that happens.
 * @throws MachineFailed, with the end of the kernel's console, when it does not come up
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { name, kind = availableKind(), memory = '1024M', interfaces = [], signal, log } = options;
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(name)) {
    throw new Error(`machine name "${name}": expected up to 41 small letters, digits and hyphens`);
  }
  signal?.throwIfAborted();
  sweepWorkDirectories();
  const began = performance.now();
  const directory = createWorkDirectory(name, kind === 'uml' ? bytesOf(memory) : 0);
  try {
    furnish(directory, { NAME: name, KIND: kind, PROJECT: projectRoot(), CACHE: cacheDirectory() ?? '' });
    const command =
      kind === 'uml'
        ? umlCommand({ directory, memory, core: takeCore(directory), interfaces })
        : nativeCommand(directory);
    const machine = new KeptMachine(name, kind, directory, command);
    signal?.addEventListener('abort', () => void machine.stop(), { once: true });
    try {
      await machine.ready(signal);
    } catch (error) {
      await machine.stop();
      throw error;
    }
    log?.(`machine ${name} (${kind}) ready after ${Math.round(performance.now() - began)} ms`);
    return machine;
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Puts into a machine's directory what it boots from. */
function furnish(directory: string, environment: Readonly<Record<string, string>>): void {
  cpSync(labFile('guest'), directory, { recursive: true });
  chmodSync(join(directory, 'boot.sh'), 0o755);
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}\n`);
  writeFileSync(join(directory, 'environment'), lines.join(''));
}

function bytesOf(memory: string): number {
  const [, number, unit] = /^(\d+)([MG])$/.exec(memory) ?? [];
  if (number === undefined) throw new Error(`machine memory "${memory}": expected a number with M or G, such as 512M`);
  return Number(number) * (unit === 'G' ? 2 ** 30 : 2 ** 20);
}

/** A machine as seen by the process that started it: a child, the keeper, that has the machine for a child. */
class KeptMachine implements Machine {
  readonly name: string;
  readonly kind: MachineKind;
  readonly #directory: string;
  readonly #keeper: ChildProcess;
  readonly #orders: Socket;
  readonly #console = new LastLines(15);
  readonly #ended = new AbortController();
  readonly #exit: Promise<void>;
  #stopping = false;
  #jobs = 0;

  constructor(name: string, kind: MachineKind, directory: string, command: readonly string[]) {
    this.name = name;
    this.kind = kind;
    this.#directory = directory;
    this.#keeper = spawn('/bin/sh', [labFile('keeper.sh'), directory, ...command], {
      // A process group of its own, so that it can be ended as a whole and no Ctrl-C at a terminal gets there first.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_PATH}`, LANG: 'C.UTF-8' },
    });
    this.#orders = socketOf(this.#keeper);
    // Writing to a machine that just ended: `#ended` tells of it, with the reason.
    for (const stream of [this.#orders, this.#keeper.stdin]) stream?.on('error', () => undefined);
    for (const stream of [this.#keeper.stdout, this.#keeper.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#console.add(text));
    }
    this.#exit = new Promise((onExit) => {
      const onEnd = (): void => {
        this.#cleanUp();
        onExit();
      };
      this.#keeper.once('error', (error) => {
        this.#console.add(`${error.message}\n`);
        onEnd();
      });
      // Not `exit`: the last words on the console come after it.
      this.#keeper.once('close', onEnd);
    });
  }

  get keeperPid(): number {
    return this.#keeper.pid ?? Number.NaN;
  }

  /** @throws MachineFailed when the machine ends instead, or the signal's reason when that is aborted first */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    const deadline = AbortSignal.timeout(BOOT_DEADLINE);
    const interrupts = [deadline, this.#ended.signal, ...(signal === undefined ? [] : [signal])];
    try {
      await completeLine(join(this.#directory, 'ready'), AbortSignal.any(interrupts));
    } catch (error) {
      if (error !== deadline.reason) throw error;
      throw this.#failure(`did not come up within ${BOOT_DEADLINE / 1000} s`);
    }
  }

  async run(command: Command, options: RunOptions = {}): Promise<RunResult> {
    this.#jobs += 1;
    const host = {
      name: this.name,
      directory: this.#directory,
      environment: {
        CLUSTERF_LAB_MACHINE: this.name,
        HOME: '/root',
        LANG: 'C.UTF-8',
        // The project's own commands first: clusterf-docker, clusterf-ipvs.
        PATH: `${join(projectRoot(), 'node_modules', '.bin')}:${dirname(process.execPath)}:${SYSTEM_PATH}`,
      },
      defaultCwd: projectRoot(),
      ended: this.#ended.signal,
      order: (line: string) => void this.#orders.write(`${line}\n`),
      console: () => this.#console.indented(),
    };
    this.#ended.signal.throwIfAborted();
    return await runJob(host, this.#jobs, command, options);
  }

  async output(command: Command, options: RunOptions = {}): Promise<string> {
    const result = await this.run(command, options);
    requireSuccess(this.name, command, result);
    return result.stdout;
  }

  async copyIn(hostPath: string, path: string): Promise<void> {
    const name = `copy-${(this.#jobs += 1)}`;
    cpSync(resolve(hostPath), join(this.#directory, name), { recursive: true, preserveTimestamps: true });
    await this.output(['mv', '-T', `/run/lab/${name}`, path]);
  }

  async copyOut(path: string, hostPath: string): Promise<void> {
    const name = `copy-${(this.#jobs += 1)}`;
    await this.output(['cp', '-rpT', path, `/run/lab/${name}`]);
    const copy = join(this.#directory, name);
    cpSync(copy, resolve(hostPath), { recursive: true, preserveTimestamps: true });
    rmSync(copy, { recursive: true });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#orders.end();
    // One that hangs: its keeper ends it, and all it is made of, when nobody is there any more.
    const deadline = setTimeout(() => this.#keeper.stdin?.end(), STOP_DEADLINE);
    await this.#exit;
    clearTimeout(deadline);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #killAll(): void {
    if (this.#keeper.pid !== undefined) kill(-this.#keeper.pid);
  }

  #cleanUp(): void {
    this.#killAll();
    this.#orders.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
    this.#ended.abort(this.#failure(this.#stopping ? 'was stopped' : 'ended by itself'));
  }

  #failure(what: string): MachineFailed {
    return new MachineFailed(`Machine ${this.name} ${what}; the kernel's console:\n${this.#console.indented()}`);
  }
}

function socketOf(keeper: ChildProcess): Socket {
  const stream = keeper.stdio[3];
  if (!(stream instanceof Socket)) throw new Error('the keeper was spawned without a line for orders');
  return stream;
}
