import { IncomingMessage } from 'node:http';
import type Dockerode from 'dockerode';
import { errorCode, toError } from '@clusterf/daemon';
import { cameOfKeeping } from './docker-connections.js';
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

export type Query = Readonly<Record<string, string>>;

export interface Answer {
  readonly text: string;
  /** What the clock of who answers says, in milliseconds since 1970, exact to the second before. */
  readonly date: number | undefined;
}

/**
 * GET, of all methods: nothing else is asked of Docker. Connections and requests are dockerode's; answers are read here,
 * since it waits for ever for the rest of one whose connection was cut in its middle.
 */
export class DockerRequests {
  readonly #endpoint: Endpoint;
  #docker: Promise<Dockerode> | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** @throws as `read` does, and Error for an answer that is no JSON */
  async readJson(path: string, signal: AbortSignal): Promise<unknown> {
    const { text } = await this.read(path, {}, signal);
    try {
      return JSON.parse(text);
    } catch {
      // Nothing of the answer in the error: containers have secrets.
      throw new Error(`docker answers something else than JSON to GET ${path}`);
    }
  }

  /**
   * The whole of a short answer.
   *
   * @throws DockerError for any answer but 200, and Error where there is none, or no whole one, within half a minute
   */
  async read(path: string, query: Query, signal: AbortSignal): Promise<Answer> {
    return await inTime(signal, async (limited) => {
      const response = await this.open(path, query, limited);
      const date = Date.parse(response.headers.date ?? '');
      return { text: await readText(response), date: Number.isNaN(date) ? undefined : date };
    });
  }

  /** Resolves when the answer begins; the signal ends the answer too. @throws as `read` does, but without a limit */
  async open(path: string, query: Query, signal: AbortSignal): Promise<IncomingMessage> {
    // Loaded when it is needed: it brings much that is never asked of it.
    this.#docker ??= import('dockerode').then(({ default: Docker }) =>
      withoutDockerHost(() => new Docker(this.#endpoint)),
    );
    const docker = await this.#docker;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await dial(docker, path, query, signal);
      } catch (thrown) {
        const error = toError(thrown);
        if (!cameOfKeeping(error) || signal.aborted) throw refusal(path, error) ?? withAdvice(error);
      }
    }
  }
}

/**
 * For dockerode, which is told all that it needs, and yet looks at DOCKER_HOST and what goes with it by itself: it would
 * take from there whatever it was not told, and end by an error where that makes no sense.
 */
function withoutDockerHost<T>(make: () => T): T {
  const { DOCKER_HOST: host } = process.env;
  delete process.env['DOCKER_HOST'];
  try {
    return make();
  } finally {
    if (host !== undefined) process.env['DOCKER_HOST'] = host;
  }
}

function dial({ modem }: Dockerode, path: string, query: Query, abortSignal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // The question mark is dockerode's own way to say where the query goes, were there none.
    const request = { method: 'GET', path: `${path}?`, options: query, statusCodes: { 200: true }, isStream: true };
    modem.dial({ ...request, abortSignal }, (error, answer) => {
      if (answer instanceof IncomingMessage) resolve(answer);
      else reject(error ?? new Error('docker-modem hands out no stream'));
    });
  });
}

/** What docker-modem says of an answer with another status than 200, in our words. */
function refusal(path: string, error: Error): DockerError | undefined {
  if (!('statusCode' in error) || typeof error.statusCode !== 'number') return undefined;
  const reason = error.message.replace(/^\(HTTP code \d+\) \w+ - /, '').trim();
  return new DockerError(path, error.statusCode, reason.slice(0, 200) || 'without saying why');
}

/** A socket that this user may not open: the system's message does not say who may. */
function withAdvice(error: Error): Error {
  if (errorCode(error) !== 'EACCES') return error;
  const advice =
    "this user may not ask Docker: run it as root, or as one of the socket's group, which is docker mostly";
  return Object.assign(new Error(`${error.message}: ${advice}`, { cause: error }), { code: 'EACCES' });
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
