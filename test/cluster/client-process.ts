import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../lab/index.js';
import type { ClientAnswer, ClientRequest, Reply, Target } from './client.js';
import type { Place } from './place.js';

/** `client.ts` at work in a place. All its methods throw what went wrong there. */
export class Client {
  readonly place: Place;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: ClientAnswer) => void>();
  #asked = 0;

  constructor(place: Place) {
    this.place = place;
    const script = join(projectRoot(), 'test', 'dist', 'cluster', 'client.js');
    this.#child = place.spawn([process.execPath, script], { log: 'client', piped: true });
    if (this.#child.stdout === null) throw new TypeError('its output is a pipe');
    createInterface(this.#child.stdout).on('line', (line) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see client.ts
      const answer = JSON.parse(line) as ClientAnswer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.once('exit', () => {
      for (const [id, answered] of this.#waiting) answered({ id, error: `the client in ${place.name} ended` });
    });
  }

  /** Asks so many times who is there, each time from a new port. */
  async ask(what: 'tcp' | 'udp', target: Target, count = 1): Promise<readonly Reply[]> {
    return await this.#request({ ...target, id: (this.#asked += 1), what, count });
  }

  /** One download, every byte checked. */
  async download(target: Target, bytes: number): Promise<void> {
    await this.#request({ ...target, id: (this.#asked += 1), what: 'download', bytes });
  }

  /** The same the other way. @returns the server's name */
  async upload(target: Target, bytes: number): Promise<string> {
    const [reply] = await this.#request({ ...target, id: (this.#asked += 1), what: 'upload', bytes });
    return reply?.from ?? '';
  }

  async #request(request: ClientRequest): Promise<readonly Reply[]> {
    const { replies, error } = await new Promise<ClientAnswer>((resolve) => {
      this.#waiting.set(request.id, resolve);
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    if (replies === undefined) throw new Error(error);
    return replies;
  }
}
