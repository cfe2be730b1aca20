import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import http, { type RequestListener, type Server, type ServerResponse } from 'node:http';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import type { DockerEvent, Engine } from '../src/container.js';
import { connectDocker } from '../src/docker.js';

const EVENT = { Type: 'container', Action: 'die', Actor: { ID: 'c1', Attributes: null }, timeNano: 5e6 };

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  const closed = server && once(server, 'close');
  server?.close();
  await closed;
});

async function connectedTo(listener: RequestListener): Promise<Engine> {
  server = http.createServer(listener);
  return connectDocker(`tcp://127.0.0.1:${await listen(server)}`, {});
}

async function first(events: AsyncIterable<DockerEvent>): Promise<DockerEvent | undefined> {
  for await (const event of events) return event;
  return undefined;
}

test('a subscription counts as accepted though nothing is answered before the first event, as by Podman', async () => {
  let answer: ServerResponse | undefined;
  const engine = await connectedTo((_request, response) => {
    answer = response;
  });
  const over = new AbortController();
  const events = await engine.subscribe(1, over.signal);
  const response = await until('it is asked', () => answer);
  response.write(`${JSON.stringify(EVENT)}\n`);
  expect(await first(events)).toMatchObject({ action: 'die', time: 5 });
  over.abort();
});

test('one that is refused while it is waited for is refused; later on, it is the stream that fails', async () => {
  const held: ServerResponse[] = [];
  const engine = await connectedTo(({ url }, response) => {
    if (url?.includes('since=1.000') === true) refuse(response);
    else held.push(response);
  });
  const { signal } = new AbortController();
  await expect(engine.subscribe(1, signal)).rejects.toThrow('docker answers 500 to GET /events: no events');
  const events = await engine.subscribe(7_500, signal);
  await until('it is asked', () => held.length > 0);
  held.forEach(refuse);
  await expect(first(events)).rejects.toThrow('no events');
});

function refuse(response: ServerResponse): void {
  response.writeHead(500).end('{"message":"no events"}');
}

test('what Docker remembers is asked for by its own times, and comes with its clock’s', async () => {
  const asked: URLSearchParams[] = [];
  const engine = await connectedTo(({ url = '' }, response) => {
    asked.push(new URL(url, 'http://docker').searchParams);
    response.setHeader('date', 'Sun, 22 Nov 2026 01:26:06 GMT');
    response.end(`${JSON.stringify(EVENT)}\n`);
  });
  const { events, now } = await engine.recall(0, 1_700_000_000_123.4, new AbortController().signal);
  expect(events).toMatchObject([{ action: 'die', id: 'c1', labels: {}, time: 5 }]);
  expect(now).toBe(Date.UTC(2026, 10, 22, 1, 26, 6));
  expect(asked.map((query) => [query.get('since'), query.get('until')])).toEqual([['1.000', '1700000000.123']]);
});

test.each(['<html>a login page</html>', '{"message":"none'])(
  'what it answers instead of events, %s, is an error',
  async (answer) => {
    const engine = await connectedTo((_request, response) => void response.end(answer));
    await expect(engine.recall(0, 0, new AbortController().signal)).rejects.toThrow('an event of docker is not JSON');
  },
);
