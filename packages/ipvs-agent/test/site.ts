/** Where an agent is tried: an empty kernel, a tree to follow and a place for its state. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { expect } from '@jest/globals';
import { AgentProcess, type LogLine } from '../../../test/fixtures/agent.js';
import type { EtcdProcess } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';
import { OP_TITLES } from '../src/print.js';

export const run = promisify(execFile);

/** Entries by key: a text is written as it is, anything else as JSON. */
export type Entries = Readonly<Record<string, unknown>>;

/** Changes the kernel behind the agent's back. */
export async function ipvsadm(...words: readonly string[]): Promise<void> {
  await run('ipvsadm', [...words]);
}

/** The table as another program sees it, in an order that does not depend on the kernel's. */
export async function table(): Promise<string[]> {
  const { stdout } = await run('ipvsadm', ['-Sn'], { maxBuffer: 64 << 20 });
  return stdout.trim().split('\n').filter(Boolean).toSorted();
}

/** Waits until the table has exactly these lines. */
export async function untilTable(wanted: readonly string[], deadline?: number): Promise<void> {
  const sorted = JSON.stringify(wanted.toSorted());
  let last: string[] = [];
  await until(
    `the table is\n${wanted.join('\n')}`,
    async () => {
      last = await table();
      return JSON.stringify(last) === sorted;
    },
    deadline,
  ).catch((error: unknown) => {
    throw new Error(`the table is still\n${last.join('\n')}`, { cause: error });
  });
}

/** The first pass is over: only then is the table printed. For agents started with `--print`. */
export async function untilReady(agent: AgentProcess): Promise<void> {
  await until('the first pass is done', () => agent.output.includes('LocalAddress')).catch((error: unknown) => {
    throw new Error(agent.text(), { cause: error });
  });
}

/** What the agent did to the kernel: `new destination tcp 10.0.0.1:80 -> 172.17.0.2:8080`. */
export function operations(agent: AgentProcess): string[] {
  const titles = new Set<string>(Object.values(OP_TITLES));
  return agent.log
    .filter(({ message }) => titles.has(message))
    .map(({ message, virtualService, destination }) =>
      [message, virtualService, ...(destination === undefined ? [] : ['->', destination])].join(' '),
    );
}

/** When a line was logged, in milliseconds. */
export function timeOf(line: LogLine): number {
  return Date.parse(String(line['timestamp']));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export class Site implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(tree: Entries = {}): Promise<Site> {
    requireMachine();
    await ipvsadm('-C');
    const site = new Site(await mkdtemp(join(tmpdir(), 'clusterf-ipvs-')));
    await mkdir(join(site.directory, 'tree'));
    await site.put(tree);
    return site;
  }

  /** The tree in files, of which {@link put} and {@link remove} write. */
  get source(): string {
    return `file://${this.directory}/tree`;
  }

  get stateDirectory(): string {
    return join(this.directory, 'state');
  }

  async put(entries: Entries): Promise<void> {
    for (const [key, value] of Object.entries(entries)) {
      const file = join(this.directory, 'tree', key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, textOf(value));
    }
  }

  /** A key, or all below it. */
  async remove(key: string): Promise<void> {
    await rm(join(this.directory, 'tree', key), { recursive: true });
  }

  /** Follows the tree in files unless other sources are given. */
  start(...flags: readonly string[]): AgentProcess {
    const source = flags.includes('--config-source') ? [] : ['--config-source', this.source];
    return new AgentProcess('clusterf-ipvs', [...source, '--state-dir', this.stateDirectory, ...flags]);
  }

  /** Runs it with `--once` to its end. @throws Error with its log unless that was a good one */
  async once(...flags: readonly string[]): Promise<AgentProcess> {
    await using agent = this.start('--once', ...flags);
    const code = await agent.exit();
    if (code !== 0) throw new Error(`it ended with ${code}:\n${agent.text()}`);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** etcd refuses larger transactions. */
const MOST_OPERATIONS = 100;

/** A tree below a prefix of etcd. */
export class EtcdTree {
  readonly #etcd: EtcdProcess;
  readonly prefix: string;

  constructor(etcd: EtcdProcess, prefix: string) {
    this.#etcd = etcd;
    this.prefix = prefix;
  }

  /** @param host a proxy's instead of etcd's own */
  source(host = this.#etcd.host): string[] {
    return ['--config-source', `etcd://${host}${this.prefix}`];
  }

  async put(entries: Entries): Promise<void> {
    const requests = Object.entries(entries).map(([key, value]) => ({
      requestPut: { key: base64(`${this.prefix}/${key}`), value: base64(textOf(value)) },
    }));
    for (let from = 0; from < requests.length; from += MOST_OPERATIONS)
      await this.#etcd.call('kv/txn', { success: requests.slice(from, from + MOST_OPERATIONS) });
  }

  async remove(key: string): Promise<void> {
    await this.#etcd.remove(`${this.prefix}/${key}`);
  }

  /** All of it in one stroke. */
  async clear(): Promise<void> {
    await this.#etcd.call('kv/deleterange', { key: base64(`${this.prefix}/`), range_end: base64(`${this.prefix}0`) });
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Waits for what is logged to be so: the kernel is changed before the log's reader hears of it. */
export async function untilEqual<T>(actual: () => T, expected: T): Promise<void> {
  await until('it is logged', () => isDeepStrictEqual(actual(), expected)).catch(() => undefined);
  expect(actual()).toEqual(expected);
}

/** How many operations an agent has done that has just filled the kernel: one for each line. */
export async function filled(agent: AgentProcess, wanted: readonly string[]): Promise<number> {
  await untilEqual(() => operations(agent).length, wanted.length);
  return wanted.length;
}
