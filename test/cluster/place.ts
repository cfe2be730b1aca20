import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AgentProcess } from '../fixtures/agent.js';
import { portName } from './wiring.js';

const run = promisify(execFile);

/** Runs lines of the ip command in one go, in a network namespace or the machine's own. */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const child = run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-']);
  child.child.stdin?.end(`${lines.join('\n')}\n`);
  try {
    await child;
  } catch (cause) {
    throw new Error(`ip -batch in ${namespace ?? 'the machine'}:\n${lines.join('\n')}`, { cause });
  }
}

/** One machine of the cluster: a network namespace, and the processes that were started in it. */
export class Place {
  readonly name: string;
  readonly #networks: readonly string[];
  readonly #directory: string;
  readonly #processes = new Set<ChildProcess>();
  readonly #agents = new Set<AgentProcess>();

  /** @param directory for the processes' logs */
  constructor(name: string, networks: readonly string[], directory: string) {
    this.name = name;
    this.#networks = networks;
    this.#directory = directory;
  }

  /** As nsenter takes it. */
  get netns(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a command to its end. @returns its standard output @throws if its status is not 0 */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', [`--net=${this.netns}`, program, ...args], { maxBuffer: 64 << 20 });
    return stdout;
  }

  async ip(...lines: readonly string[]): Promise<void> {
    await ipBatch(lines, this.name);
  }

  /** Starts what runs on; what it says goes to a log, unless `stdio` says otherwise for its input and output. */
  spawn(
    command: readonly string[],
    options: { readonly log: string; readonly piped?: boolean; readonly env?: Readonly<Record<string, string>> },
  ): ChildProcess {
    const log = openSync(this.logPath(options.log), 'a');
    const pipes = options.piped === true ? 'pipe' : undefined;
    const child = spawn('nsenter', [`--net=${this.netns}`, ...command], {
      stdio: [pipes ?? 'ignore', pipes ?? log, log],
      cwd: this.#directory,
      env: { ...process.env, ...options.env },
    });
    closeSync(log);
    this.#processes.add(child);
    child.once('exit', () => this.#processes.delete(child));
    return child;
  }

  startAgent(name: 'clusterf-ipvs' | 'clusterf-docker', args: readonly string[]): AgentProcess {
    const agent = new AgentProcess(name, args, {}, this.netns);
    this.#agents.add(agent);
    return agent;
  }

  logPath(name: string): string {
    return join(this.#directory, `${this.name}-${name}.log`);
  }

  async log(name: string): Promise<string> {
    return await readFile(this.logPath(name), 'utf8').catch(() => '');
  }

  /** Unplugs it from a network, or from all: nothing it sends arrives, and it does not hear of it. */
  async cut(network?: string): Promise<void> {
    await ipBatch(this.#ports(network).map((port) => `link set ${port} nomaster`));
  }

  /** Plugs it in again. */
  async heal(network?: string): Promise<void> {
    const networks = network === undefined ? this.#networks : [network];
    await ipBatch(networks.map((name) => `link set ${portName(this.name, name)} master ${name}`));
  }

  /** Ends its processes by SIGKILL, in no order, and waits for them to be gone. */
  async killProcesses(): Promise<void> {
    const ending = [...this.#processes].map(async (child) => {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    });
    await Promise.all([...ending, ...[...this.#agents].map(async (agent) => await agent[Symbol.asyncDispose]())]);
  }

  /** The power goes: silent at once, then nothing of it is left, its kernel's tables included. */
  async destroy(): Promise<void> {
    await this.cut();
    await this.killProcesses();
    // Links first: without its namespace the kernel takes them away by itself, a little later.
    await ipBatch([...this.#ports().map((port) => `link delete ${port}`), `netns delete ${this.name}`]);
  }

  #ports(network?: string): string[] {
    const networks = network === undefined ? this.#networks : [network];
    return networks.map((name) => portName(this.name, name));
  }
}
