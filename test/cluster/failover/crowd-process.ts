import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../lab/index.js';
import type { Target } from '../client.js';
import type { Place } from '../place.js';
import type { CrowdAnswer, CrowdReport, CrowdRequest, CrowdResult, OpenRequest } from './crowd.js';

/** `crowd.ts` at work in a place. Its connections take the targets in turn. */
export class Crowd {
  readonly #targets: readonly Target[];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: CrowdAnswer) => void>();
  #asked = 0;

  constructor(place: Place, targets: readonly Target[]) {
    this.#targets = targets;
    const script = join(projectRoot(), 'test', 'dist', 'cluster', 'failover', 'crowd.js');
    // What takes the time must not itself wait for the processor.
    this.#child = place.spawn(['nice', '-n', '-10', process.execPath, script], { log: 'crowd', piped: true });
    if (this.#child.stdout === null) throw new TypeError('its output is a pipe');
    createInterface(this.#child.stdout).on('line', (line) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see crowd.ts
      const answer = JSON.parse(line) as CrowdAnswer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.once('exit', () => {
      for (const [id, answered] of this.#waiting) answered({ id, error: `the crowd in ${place.name} ended` });
    });
  }

  /** Opens long connections. Resolves when all are established. */
  async open(request: OpenRequest): Promise<void> {
    await this.#ask({ id: this.#next(), what: 'open', targets: this.#targets, ...request });
  }

  /** Begins with short ones, one every so many milliseconds. */
  async startRequests(interval: number): Promise<void> {
    await this.#ask({ id: this.#next(), what: 'request', targets: this.#targets, interval });
  }

  /** Has those talk that have been idle. */
  async speak(): Promise<void> {
    await this.#ask({ id: this.#next(), what: 'speak' });
  }

  /**
   * Ends all of it and says what came of it.
   *
   * @param within milliseconds in which what was said has to be answered
   */
  async settle(within: number): Promise<CrowdReport> {
    const result = await this.#ask({ id: this.#next(), what: 'settle', within });
    if (!('report' in result)) throw new TypeError('what settles gives a report');
    return result.report;
  }

  #next(): number {
    return (this.#asked += 1);
  }

  async #ask(request: CrowdRequest): Promise<CrowdResult> {
    const answer = await new Promise<CrowdAnswer>((resolve) => {
      this.#waiting.set(request.id, resolve);
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }
}
