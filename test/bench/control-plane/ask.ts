/** ask.c at work in a place. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Place } from '../../cluster/place.js';

/** Between a connection's end and the next one, in microseconds: closer would take the processor from what is measured. */
const INTERVAL = 2000;
const DEADLINE = 60_000;

const Microseconds = z.number().transform((value) => value / 1000);

/** A server that was not heard of before; times are milliseconds of the epoch. */
const News = z.object({
  name: z.string(),
  /** When it began to listen. */
  since: Microseconds,
  /** When the first byte came. */
  first: Microseconds,
});
export type News = z.infer<typeof News>;

const Summary = z.object({
  /** Connections that nobody answered. */
  failures: z.number(),
  servers: z.array(z.object({ name: z.string(), last: Microseconds, count: z.number() })),
});
export type Summary = z.infer<typeof Summary>;

export class Ask {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  /** @param program ask.c's */
  constructor(client: Place, program: string, address: string, port: number) {
    const command = [program, address, String(port), String(INTERVAL)];
    this.#child = client.spawn(command, { log: 'ask', piped: true });
    if (this.#child.stdout === null) throw new TypeError('its output is a pipe');
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#child.emit('said');
    });
  }

  /**
   * Waits until a server of which this holds has answered.
   *
   * @throws {Error} after a minute, with what was heard so far
   */
  async heard(what: string, holds: (name: string) => boolean): Promise<News> {
    const signal = AbortSignal.timeout(DEADLINE);
    for (;;) {
      const news = this.#lines.map((line) => News.parse(JSON.parse(line))).find(({ name }) => holds(name));
      if (news !== undefined) return news;
      await once(this.#child, 'said', { signal }).catch((cause: unknown) => {
        throw new Error(`no answer of ${what} within ${DEADLINE} ms; heard ${this.#lines.join('\n')}`, { cause });
      });
    }
  }

  /** Ends it. */
  async end(): Promise<Summary> {
    // Not `exit`: its last line comes after it.
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await closed;
    return Summary.parse(JSON.parse(this.#lines.at(-1) ?? ''));
  }
}
