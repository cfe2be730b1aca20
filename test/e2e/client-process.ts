import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../lab/index.js';
import type { Answer, Progress } from './client.js';

/** `client.ts` at work in the client's network namespace. */
class ClientProcess<Line> implements AsyncDisposable {
  /** Every line so far. */
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;

  constructor(netns: string, mode: string, address: string, port: number, env: Readonly<Record<string, string>> = {}) {
    const script = join(projectRoot(), 'test', 'dist', 'e2e', 'client.js');
    const command = [`--net=${netns}`, process.execPath, script, mode, address, String(port)];
    const child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    this.#child = child;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see client.ts
    createInterface(child.stdout).on('line', (line) => this.lines.push(JSON.parse(line) as Line));
  }

  /** Ends it; what was on its way is not waited for. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin?.end();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Asks again and again, each time on a new connection, and keeps the answers. */
export class Requests extends ClientProcess<Answer> {
  constructor(netns: string, protocol: 'http' | 'udp', address: string, port: number, intervalMs = 50) {
    super(netns, protocol, address, port, { INTERVAL_MS: String(intervalMs) });
  }

  /** Who answered how often, of the requests that began at or after a time (ms since the epoch). */
  tally(since = 0): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { from } of this.answers(since)) if (from !== undefined) counts[from] = (counts[from] ?? 0) + 1;
    return counts;
  }

  answers(since = 0): Answer[] {
    return this.lines.filter(({ began }) => began >= since);
  }

  /** The first so many requests in a row that began at or after a time, once all of them are answered. */
  row(count: number, since: number): Answer[] | undefined {
    const row = this.answers(since)
      .toSorted((a, b) => a.number - b.number)
      .slice(0, count);
    const [first, last] = [row.at(0), row.at(-1)];
    return row.length === count && first && last && last.number - first.number === count - 1 ? row : undefined;
  }

  failures(since = 0): Answer[] {
    return this.answers(since).filter(({ error }) => error !== undefined);
  }
}

/** One long download, every byte checked. */
export class Download extends ClientProcess<Progress> {
  constructor(netns: string, address: string, port: number) {
    super(netns, 'stream', address, port);
  }

  /** Bytes that arrived, all of them right. @throws Error if one was not, or the stream broke */
  get bytes(): number {
    const last = this.lines.at(-1);
    if (last?.error !== undefined) throw new Error(`after ${last.bytes} bytes: ${last.error}`);
    return last?.bytes ?? 0;
  }
}
