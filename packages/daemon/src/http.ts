import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Backoff, type BackoffOptions, DEFAULT_BACKOFF } from './backoff.js';
import type { Clock } from './clock.js';
import { toError } from './errors.js';
import { isMisdirected } from './http-host.js';
import { formatHttpListen, type HttpListen } from './http-listen.js';
import type { Logger } from './logger.js';
import type { Problem } from './problem-log.js';

/** What is served; asked anew for every request. What throws is answered with 500 and its message. */
export interface HttpSurface {
  /** Prometheus text, in lines or larger pieces: made as fast as it is read, never held as a whole. */
  readonly metrics: () => Promise<Iterable<string>>;
  /** Why the agent is not alive; undefined = it is. */
  readonly unhealthy: () => string | undefined;
  /** Why the agent is not ready; undefined = it is. */
  readonly unready: () => string | undefined;
  /** Shown as JSON. */
  readonly status: () => unknown;
}

/** Against clients that are slow, half dead or hostile. Times in milliseconds. */
export interface HttpLimits {
  readonly connections: number;
  /** For a request to arrive. */
  readonly request: number;
  /** For an answer to be read, however large it is. */
  readonly response: number;
  /** For the next request on a connection that is kept. */
  readonly idle: number;
  /** Bytes of request line and headers. */
  readonly headers: number;
}

const LIMITS: HttpLimits = { connections: 64, request: 5_000, response: 60_000, idle: 5_000, headers: 8_192 };

export interface HttpOptions {
  readonly listen: HttpListen;
  readonly surface: HttpSurface;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told all that is wrong with listening, each time that changes. */
  readonly onProblems: (problems: readonly Problem[]) => void;
  readonly limits?: Partial<HttpLimits>;
  readonly backoff?: BackoffOptions;
}

const MISDIRECTED = 'asked by a name that is not its own; expected an IP address or localhost\n';

/** Characters that are written at once; between two such pieces everything else in the process has its turn. */
const PIECE = 64 * 1024;

const PATHS = {
  '/metrics': 'counters and gauges, as Prometheus reads them',
  '/healthz': '200 while the agent runs',
  '/readyz': '200 once it is ready, else 503 and why not',
  '/status': 'what the agent is doing, as JSON',
} as const;

const INDEX = Object.entries(PATHS).map(([path, words]) => `${path.padEnd(10)}${words}\n`);

/**
 * An agent's health over HTTP, for as long as the agent runs.
 *
 * INVARIANTS
 * - Whatever happens here, the agent goes on: a port that is taken is a problem, and tried again with backoff.
 * - No client holds anything up: their number and each one's time are bounded, one question a connection is answered
 *   at a time, of metrics only a piece is in memory, and whoever is still connected when the endpoint is closed is cut off.
 */
export class HttpEndpoint implements AsyncDisposable {
  readonly #options: HttpOptions;
  readonly #limits: HttpLimits;
  readonly #backoff: Backoff;
  #server: Server | undefined;
  #cancelRetry: () => void = () => {};
  #problem: string | undefined;
  /** What a handler threw last: said once, since scrapes come every few seconds. */
  #failure = '';
  #closed = false;

  /** Begins to listen. */
  constructor(options: HttpOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#backoff = new Backoff(options.backoff ?? DEFAULT_BACKOFF);
    this.#open();
  }

  /** Where it listens now; undefined while it does not. */
  get address(): HttpListen | undefined {
    const address = this.#server?.address();
    if (typeof address !== 'object' || address === null) return undefined;
    const { host } = this.#options.listen;
    return { ...(host !== undefined && { host }), port: address.port };
  }

  /** Stops listening and cuts off whoever is connected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await shut(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): void {
    const { listen, log } = this.#options;
    const { connections, request, idle, headers } = this.#limits;
    const server = createServer({
      headersTimeout: request,
      requestTimeout: request,
      // How often Node looks whether these two have passed.
      connectionsCheckingInterval: request,
      keepAliveTimeout: idle,
      maxHeaderSize: headers,
    });
    server.maxConnections = connections;
    const busy = new WeakSet<Socket>();
    server.on('request', (incoming, response) => {
      const { socket } = incoming;
      // Scrapers do not pipeline; of one that does, all answers would be made at once, thousands if it likes.
      if (busy.has(socket)) {
        socket.destroy();
        return;
      }
      busy.add(socket);
      response.on('close', () => busy.delete(socket));
      void this.#answer(incoming, response);
    });
    server.on('listening', () => {
      this.#tell(undefined);
      const { port = listen.port } = this.address ?? {};
      log.info('listening for HTTP', { address: formatHttpListen({ ...listen, port }) });
    });
    // Only a connection shows that it works: out of file descriptors, a server listens and fails at the next one.
    server.on('connection', () => this.#backoff.reset());
    server.on('error', (error) => this.#retry(server, error));
    this.#server = server;
    server.listen({ port: listen.port, ...(listen.host !== undefined && { host: listen.host }) });
  }

  #retry(server: Server, error: Error): void {
    if (this.#closed || this.#server !== server) return;
    this.#server = undefined;
    void shut(server);
    this.#tell(`no HTTP here, trying again: ${error.message}`);
    this.#cancelRetry = this.#options.clock.after(this.#backoff.next(), () => this.#open());
  }

  #tell(message: string | undefined): void {
    if (message === this.#problem) return;
    this.#problem = message;
    const { listen, onProblems } = this.#options;
    onProblems(message === undefined ? [] : [{ source: 'http', key: formatHttpListen(listen), message }]);
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const late = setTimeout(() => response.destroy(), this.#limits.response);
    response.on('error', () => undefined).on('close', () => clearTimeout(late));
    try {
      await this.#route(request, response);
    } catch (thrown) {
      const error = toError(thrown);
      if (error.message !== this.#failure)
        this.#options.log.error('an HTTP request failed', { url: request.url, error });
      this.#failure = error.message;
      // Half an answer cannot be taken back; cut off, it is not taken for a whole one.
      if (response.headersSent) response.destroy();
      else reply(response, 500, `${error.message}\n`);
    }
  }

  async #route({ method, url = '/', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { surface, listen } = this.#options;
    if (isMisdirected(listen, headers.host)) return reply(response, 421, MISDIRECTED);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return reply(response, 405, 'only GET and HEAD\n');
    }
    switch (url.replace(/\?.*$/s, '')) {
      case '/':
        return reply(response, 200, INDEX.join(''));
      case '/healthz':
        return verdict(response, surface.unhealthy());
      case '/readyz':
        return verdict(response, surface.unready());
      case '/status':
        return reply(response, 200, `${JSON.stringify(surface.status(), null, 2)}\n`, 'application/json');
      case '/metrics': {
        const text = await surface.metrics();
        head(response, 200, 'text/plain; version=0.0.4');
        if (method === 'GET') await stream(response, text);
        response.end();
        return;
      }
      default:
        reply(response, 404, `not found; there are\n${INDEX.join('')}`);
    }
  }
}

function verdict(response: ServerResponse, reason: string | undefined): void {
  if (reason === undefined) reply(response, 200, 'ok\n');
  else reply(response, 503, `${reason}\n`);
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  head(response, status, type);
  response.end(text);
}

function head(response: ServerResponse, status: number, type: string): void {
  // Names of containers are in it: no browser is to guess that it might be a page.
  response.writeHead(status, { 'Content-Type': `${type}; charset=utf-8`, 'X-Content-Type-Options': 'nosniff' });
}

/** Writes as fast as the client reads, and ends when the client has gone. */
async function stream(response: ServerResponse, text: Iterable<string>): Promise<void> {
  let piece = '';
  for (const part of text) {
    piece += part;
    if (piece.length < PIECE) continue;
    if (!(await written(response, piece))) return;
    piece = '';
  }
  await written(response, piece);
}

/** @returns whether there is still somebody to write to */
async function written(response: ServerResponse, piece: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (!response.write(piece)) await drained(response);
  // What the socket took at once is drained within this turn of the event loop: others would never have theirs.
  await turn();
  return !response.destroyed;
}

/** Resolves when there is room again, or nobody left to read. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function shut(server: Server | undefined): Promise<void> {
  if (server === undefined) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
