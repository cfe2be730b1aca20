/** Docker's API as the bench needs it: what the agent is not to be measured by. Answers are taken as they come. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** As Docker writes it; only what is looked at is told by name. */
export type Json = Readonly<Record<string, unknown>>;

/** One line of GET /events. */
export interface EventLine {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly time: number;
  readonly timeNano: number;
}

export class DockerApi {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @throws Error for any status of failure */
  async call<T = Json>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: Json): Promise<T> {
    const response = await this.#open(method, path, body);
    const answer = await text(response);
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    const parsed: T = JSON.parse(answer === '' ? '{}' : answer);
    return parsed;
  }

  /** Tells events from now on, until the signal aborts. Resolves when Docker has accepted the subscription. */
  async follow(onEvent: (event: EventLine) => void, signal: AbortSignal): Promise<void> {
    const response = await this.#open('GET', '/events', undefined, signal);
    let rest = '';
    response.setEncoding('utf8').on('error', () => undefined);
    response.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((each) => each.trim() !== '')) {
        const event: EventLine = JSON.parse(line);
        onEvent(event);
      }
    });
  }

  async #open(method: string, path: string, body?: Json, signal?: AbortSignal): Promise<IncomingMessage> {
    return await new Promise((resolve, reject) => {
      const asked = request({
        socketPath: this.#socketPath,
        method,
        path,
        agent: this.#agent,
        headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
        ...(signal === undefined ? {} : { signal }),
      });
      asked.once('response', resolve);
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
