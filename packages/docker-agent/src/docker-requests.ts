import type { IncomingMessage } from 'node:http';
import { errorCode, toError } from '@clusterf/daemon';
import type { Endpoint } from './docker-endpoint.js';

/** Milliseconds after which Docker counts as lost; generous, since a busy dockerd may take seconds to inspect. */
const ANSWER_TIMEOUT = 30_000;

/** Docker answered, but not what was asked for. */
export class DockerError extends Error {
  /** Of HTTP. */
  readonly status: number;

  constructor(path: string, status: number, message: string) {
    super(`docker answers ${status} to GET ${path}: ${message}`);
    this.name = 'DockerError';
    this.status = status;
  }
}

export interface Answer {
  readonly text: string;
  /** What the clock of who answers says, in milliseconds since 1970, exact to the second before. */
  readonly date: number | undefined;
}

/**
 * GET, of all methods: nothing else is asked of Docker. On Node's own client rather than dockerode's, which waits for
 * ever for the rest of an answer whose connection was cut in the middle.
 */
export class DockerRequests {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** @throws as `read` does, and Error for an answer that is no JSON */
  async readJson(path: string, signal: AbortSignal): Promise<unknown> {
    const { text } = await this.read(path, signal);
    try {
      return JSON.parse(text);
    } catch {
      // Nothing of the answer in the error: containers have secrets.
      throw new Error(`docker answers something else than JSON to GET ${route(path)}`);
    }
  }

  /**
   * The whole of a short answer.
   *
   * @param path with its query, if any
   * @throws DockerError for any answer but 200, and Error where there is none, or no whole one, within half a minute
   */
  async read(path: string, signal: AbortSignal): Promise<Answer> {
    return await inTime(signal, async (limited) => {
      const response = await this.open(path, limited);
      const date = Date.parse(response.headers.date ?? '');
      return { text: await readText(response), date: Number.isNaN(date) ? undefined : date };
    });
  }

  /** Resolves when the answer begins; the signal ends the answer too. @throws as `read` does, but without a limit */
  async open(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#send(path, signal);
    const { statusCode = 0 } = response;
    if (statusCode === 200) return response;
    throw new DockerError(route(path), statusCode, reason(await readText(response)));
  }

  async #send(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    for (;;) {
      const { answer, reused } = this.#attempt(path, signal);
      try {
        return await answer;
      } catch (error) {
        // The other side may close an idle connection in the moment that it is used again; a new one tells.
        if (!reused() || errorCode(toError(error)) !== 'ECONNRESET' || signal.aborted) throw error;
      }
    }
  }

  #attempt(path: string, signal: AbortSignal): { answer: Promise<IncomingMessage>; reused: () => boolean } {
    signal.throwIfAborted();
    const { request: start, options } = this.#endpoint;
    const request = start({ ...options, path });
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      let response: IncomingMessage | undefined;
      const abort = () => (response ?? request).destroy(new Error('given up'));
      signal.addEventListener('abort', abort);
      request.once('close', () => signal.removeEventListener('abort', abort));
      request.on('error', reject);
      request.once('response', (message) => {
        response = message;
        resolve(message);
      });
      request.end();
    });
    return { answer, reused: () => request.reusedSocket };
  }
}

/** Ends what is asked unless it is answered in time, with an error that says so. */
async function inTime<T>(outer: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
  // Not by AbortSignal.any, which would leave a trace of every question on a signal that lives for days.
  outer.throwIfAborted();
  const over = new AbortController();
  let late = false;
  const abort = () => over.abort();
  const timer = setTimeout(() => {
    late = true;
    abort();
  }, ANSWER_TIMEOUT);
  outer.addEventListener('abort', abort);
  try {
    return await question(over.signal);
  } catch (cause) {
    throw late ? new Error(`docker did not answer within ${ANSWER_TIMEOUT / 1_000} s`, { cause }) : cause;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
  }
}

/** @throws Error if the connection ends before the answer does */
async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let all = '';
  for await (const chunk of response) all += String(chunk);
  return all;
}

function route(path: string): string {
  return path.split('?')[0] ?? path;
}

/** Docker says it as `{message}`, a proxy in its own words. */
function reason(answer: string): string {
  try {
    const { message }: { message?: unknown } = JSON.parse(answer);
    if (typeof message === 'string') return message;
  } catch {
    // As it is, then.
  }
  return answer.trim().slice(0, 200) || 'without saying why';
}
