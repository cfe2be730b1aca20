// oxlint-disable jest/expect-expect -- `isServed` and `until` throw where what they wait for does not come
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { listen as listenSomewhere } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import { HttpEndpoint, type HttpLimits, type HttpSurface } from '../src/http.js';
import type { Logger } from '../src/logger.js';
import type { Problem } from '../src/problem-log.js';
import { ManualClock } from './manual-clock.js';

const SURFACE: HttpSurface = {
  metrics: async () => ['a 1\n', 'b 2\n'],
  unhealthy: () => undefined,
  unready: () => undefined,
  status: () => ({ ready: true, problems: [] }),
};

class Serving {
  readonly clock = new ManualClock();
  readonly errors: string[] = [];
  problems: readonly Problem[] = [];
  readonly endpoint: HttpEndpoint;

  constructor(surface: Partial<HttpSurface> = {}, limits: Partial<HttpLimits> = {}, port = 0, host = '127.0.0.1') {
    this.endpoint = new HttpEndpoint({
      listen: { host, port },
      surface: { ...SURFACE, ...surface },
      clock: this.clock,
      log: { ...SILENT, error: (message) => void this.errors.push(message) },
      onProblems: (problems) => {
        this.problems = problems;
      },
      limits,
    });
    serving.push(this.endpoint);
  }

  async port(): Promise<number> {
    return (await until('it listens', () => this.endpoint.address)).port;
  }

  async get(path: string, method = 'GET'): Promise<Response> {
    return await fetch(`http://127.0.0.1:${await this.port()}${path}`, { method });
  }

  /** A client of our own making, which sends this and reads nothing. */
  async send(bytes: string): Promise<Socket> {
    const socket = connect(await this.port(), '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(bytes);
    return socket;
  }
}

const SILENT: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  with: () => SILENT,
  close: async () => {},
};

const serving: HttpEndpoint[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const endpoint of serving.splice(0)) await endpoint.close();
});

const GET_METRICS = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** What is read until the other side ends, or cuts the connection. */
async function rest(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  socket.resume();
  await once(socket, 'close');
  return text;
}

/** Lines without end; counts them, and knows whether somebody still wants more. */
function endless() {
  const state = { pieces: 0, ended: false };
  function* lines() {
    try {
      for (;;) {
        state.pieces += 1;
        yield 'x'.repeat(64 * 1024);
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, metrics: async () => lines() };
}

function* breaking() {
  yield 'x'.repeat(100_000);
  throw new Error('no kernel');
}

describe('what is served', () => {
  test('metrics as Prometheus text, all of it', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `backend_connections_total{backend="b${i}"} ${i}\n`);
    const response = await new Serving({ metrics: async () => lines }).get('/metrics');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toBe(lines.join(''));
  });

  test('names in any script arrive as they are', async () => {
    const line = 'a{service="wéb 🐳"} 1\n';
    expect(await (await new Serving({ metrics: async () => [line] }).get('/metrics')).text()).toBe(line);
  });

  test('the status as JSON for people', async () => {
    const response = await new Serving().get('/status');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.text()).toBe('{\n  "ready": true,\n  "problems": []\n}\n');
  });

  test.each(['/healthz', '/readyz'])('%s: 200 while nothing speaks against it', async (path) => {
    const response = await new Serving().get(path);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  });

  test('nothing to a page of a web site whose name was made to point here', async () => {
    const socket = await new Serving().send(
      'GET /status HTTP/1.1\r\nHost: evil.example:9780\r\nConnection: close\r\n\r\n',
    );
    const answer = await rest(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    expect(answer).toContain('expected an IP address or localhost');
    expect(answer).not.toContain('problems');
  });

  test('503 and the reason where something does', async () => {
    const serves = new Serving({ unready: () => 'etcd has not been read yet', unhealthy: () => 'stuck' });
    const [ready, healthy] = [await serves.get('/readyz'), await serves.get('/healthz')];
    expect([ready.status, await ready.text()]).toEqual([503, 'etcd has not been read yet\n']);
    expect([healthy.status, await healthy.text()]).toEqual([503, 'stuck\n']);
  });

  test('a list of it all, and 404 with that list for anything else', async () => {
    const serves = new Serving();
    const [index, missing] = [await serves.get('/'), await serves.get('/metric')];
    expect([index.status, missing.status]).toEqual([200, 404]);
    for (const text of [await index.text(), await missing.text()])
      for (const path of ['/metrics', '/healthz', '/readyz', '/status']) expect(text).toContain(path);
  });

  test('a query is no other path', async () => {
    expect((await new Serving().get('/healthz?verbose=1')).status).toBe(200);
  });

  test('HEAD is answered without a body, and makes no metrics', async () => {
    const { state, metrics } = endless();
    const response = await new Serving({ metrics }).get('/metrics', 'HEAD');
    expect([response.status, await response.text(), state.pieces]).toEqual([200, '', 0]);
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405', async (method) => {
    const response = await new Serving().get('/metrics', method);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('a handler that throws', () => {
  test.each([
    ['/metrics', { metrics: async () => Promise.reject(new Error('no kernel')) }],
    [
      '/status',
      {
        status: () => {
          throw new Error('no kernel');
        },
      },
    ],
    [
      '/readyz',
      {
        unready: () => {
          throw new Error('no kernel');
        },
      },
    ],
  ])('%s is 500 with the message, said once, and all else is served', async (path, surface: Partial<HttpSurface>) => {
    const serves = new Serving(surface);
    for (let i = 0; i < 2; i += 1) {
      const response = await serves.get(path);
      expect([response.status, await response.text()]).toEqual([500, 'no kernel\n']);
    }
    expect(serves.errors).toHaveLength(1);
    expect((await serves.get('/healthz')).status).toBe(200);
  });

  test('in the middle of metrics: the answer is cut off, so that it is not taken for a whole one', async () => {
    const serves = new Serving({ metrics: async () => breaking() });
    const response = await serves.get('/metrics');
    await expect(response.text()).rejects.toThrow('terminated');
    expect((await serves.get('/healthz')).status).toBe(200);
  });
});

describe('a port that is taken', () => {
  test('is a problem, and taken as soon as it is free', async () => {
    const squatter = createServer();
    const port = await listenSomewhere(squatter);
    const serves = new Serving({}, {}, port);
    await until('the problem', () => serves.problems.length > 0);
    expect(serves.problems).toEqual([
      { source: 'http', key: `127.0.0.1:${port}`, message: expect.stringContaining('EADDRINUSE') },
    ]);
    await serves.clock.advance(60_000);
    expect(serves.endpoint.address).toBeUndefined();
    squatter.close();
    await once(squatter, 'close');
    await until('it listens', async () => {
      await serves.clock.advance(30_000);
      return serves.endpoint.address;
    });
    expect(serves.problems).toEqual([]);
    expect((await serves.get('/healthz')).status).toBe(200);
  });

  test('is not waited for when the agent is told to stop', async () => {
    const squatter = createServer();
    const serves = new Serving({}, {}, await listenSomewhere(squatter));
    await until('the problem', () => serves.problems.length > 0);
    await serves.endpoint.close();
    expect(serves.clock.timers).toBe(0);
    squatter.close();
  });

  test('an address that this machine does not have is the same', async () => {
    const serves = new Serving({}, {}, 9780, '192.0.2.1');
    await until('the problem', () => serves.problems.length > 0);
    expect(serves.problems[0]?.message).toContain('EADDRNOTAVAIL');
  });
});

describe('clients that do not behave', () => {
  test('one that does not read gets no more than fits between us, and holds up nobody', async () => {
    const { state, metrics } = endless();
    const serves = new Serving({ metrics });
    await serves.send(GET_METRICS);
    let before = -1;
    await until('nothing more is made', async () => {
      const same = state.pieces > 0 && state.pieces === before;
      before = state.pieces;
      // Each answer takes several turns of the event loop.
      expect((await serves.get('/healthz')).status).toBe(200);
      return same;
    });
    // Loopback sockets hold a few MB; without backpressure this would have no end.
    expect(state.pieces * 64 * 1024).toBeLessThan(32 * 1024 * 1024);
    await serves.endpoint.close();
    await until('the metrics are given up', () => state.ended);
  });

  test('one that reads fast shares the process with everybody else: each piece has a turn of its own', async () => {
    const turns: number[] = [];
    let turn = 0;
    const next = () => {
      turn += 1;
      if (turns.length < 20) setImmediate(next);
    };
    setImmediate(next);
    function* lines() {
      while (turns.length < 20) {
        turns.push(turn);
        yield 'x'.repeat(64 * 1024);
      }
    }
    const serves = new Serving({ metrics: async () => lines() });
    await (await serves.get('/metrics')).text();
    expect(new Set(turns).size).toBe(20);
  });

  test('one that goes away in the middle ends the work for it', async () => {
    const { state, metrics } = endless();
    const serves = new Serving({ metrics });
    const socket = await serves.send(GET_METRICS);
    await until('it is served', () => state.pieces > 1);
    socket.destroy();
    await until('the metrics are given up', () => state.ended);
  });

  test.each([
    ['metrics', '/metrics'],
    ['a long status', '/status'],
  ])('one that reads %s too slowly is cut off', async (_, path) => {
    const surface = { metrics: endless().metrics, status: () => 'x'.repeat(64 * 1024 * 1024) };
    const serves = new Serving(surface, { response: 300, connections: 1 });
    await serves.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await isServed(serves);
  });

  test('one that asks a hundred times without waiting for an answer is cut off, and little was made for it', async () => {
    let asked = 0;
    const metrics = async () => {
      asked += 1;
      return endless().metrics();
    };
    const serves = new Serving({ metrics }, { connections: 1 });
    await rest(await serves.send(GET_METRICS.repeat(100)));
    expect(asked).toBeLessThan(2);
    await isServed(serves);
  });

  test('one that asks again when it has its answer is served on the same connection', async () => {
    const serves = new Serving();
    const socket = await serves.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    socket.resume();
    for (const answers of [1, 2, 3]) {
      await until(`answer ${answers}`, () => text.split('ok\n').length > answers);
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    }
    await until('the last answer', () => text.split('ok\n').length > 4);
  });

  test('headers without end are refused', async () => {
    const serves = new Serving();
    const socket = await serves.send(`GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(await rest(socket)).toMatch(/^HTTP\/1.1 431 /);
  });

  test.each([
    ['says nothing', ''],
    ['never ends its headers', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
    ['never sends the body it announced', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx'],
    ['keeps its connection and asks nothing more', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('one that %s is cut off', async (_, bytes) => {
    const serves = new Serving({}, { request: 100, idle: 100, connections: 1 });
    await serves.send(bytes);
    await isServed(serves);
  });

  test('one that talks nonsense is told so and cut off', async () => {
    expect(await rest(await new Serving().send('\u0016\u0003\u0001 hello\r\n\r\n'))).toMatch(/^HTTP\/1.1 400 /);
  });

  test('more of them than are taken are turned away, and served when others have gone', async () => {
    const serves = new Serving({}, { connections: 2 });
    const silent = [await serves.send(''), await serves.send('')];
    await expect(serves.get('/healthz')).rejects.toThrow('fetch failed');
    for (const socket of silent) socket.destroy();
    await isServed(serves);
  });
});

describe('when the agent stops', () => {
  test('nobody who is connected is waited for', async () => {
    const { metrics } = endless();
    const serves = new Serving({ metrics });
    const clients = [await serves.send(GET_METRICS), await serves.send(''), await serves.send('GET / HT')];
    const kept = request({ port: await serves.port(), path: '/healthz', headers: { connection: 'keep-alive' } }).end();
    kept.on('error', () => undefined);
    await once(kept, 'response');
    const port = await serves.port();
    await serves.endpoint.close();
    for (const client of clients) {
      client.resume();
      if (!client.closed) await once(client, 'close');
    }
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('fetch failed');
  });
});

/** Waits until whoever holds the last connection that it takes has been cut off. */
async function isServed(serves: Serving): Promise<void> {
  await until('it has room for others', async () => (await serves.get('/healthz')).status === 200);
}
