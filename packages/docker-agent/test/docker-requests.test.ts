import { afterEach, describe, expect, test } from '@jest/globals';
import http, { type RequestListener, type Server } from 'node:http';
import { EventEmitter, once } from 'node:events';
import { toError } from '@clusterf/daemon';
import { listen } from '../../../test/fixtures/listen.js';
import { parseEndpoint } from '../src/docker-endpoint.js';
import { DockerRequests } from '../src/docker-requests.js';

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  const closed = server && once(server, 'close');
  server?.close();
  await closed;
});

/** Requests to a server that answers like this. */
async function answeredBy(listener: RequestListener): Promise<DockerRequests> {
  server = http.createServer(listener);
  return new DockerRequests(parseEndpoint(`tcp://127.0.0.1:${await listen(server)}`, {}));
}

function patient(): AbortSignal {
  return new AbortController().signal;
}

describe('an answer', () => {
  test('is read, with the time at which it was given', async () => {
    const docker = await answeredBy((_request, response) => {
      response.setHeader('date', 'Sun, 22 Nov 2026 01:26:06 GMT');
      response.end('{"grüße":[1]}');
    });
    expect(await docker.readJson('/x', patient())).toEqual({ grüße: [1] });
    expect(await docker.read('/x', {}, patient())).toEqual({
      text: '{"grüße":[1]}',
      date: Date.UTC(2026, 10, 22, 1, 26, 6),
    });
  });

  test('of another status is an error with Docker’s own words, or a proxy’s', async () => {
    const docker = await answeredBy(({ url }, response) => {
      response.writeHead(url === '/docker?x=1' ? 404 : 403);
      response.end(url === '/docker?x=1' ? '{"message":"No such container: x"}' : '<h1>Forbidden</h1>');
    });
    await expect(docker.read('/docker', { x: '1' }, patient())).rejects.toMatchObject({
      status: 404,
      message: 'docker answers 404 to GET /docker: No such container: x',
    });
    await expect(docker.read('/other', {}, patient())).rejects.toThrow('403 to GET /other: <h1>Forbidden</h1>');
  });

  test.each([
    ['with a length', { 'content-length': 1_000 }],
    ['in chunks', {}],
  ])('that is cut in the middle, %s, is a failure at once', async (_title, headers) => {
    const docker = await answeredBy((_request, response) => {
      response.writeHead(200, headers);
      response.write('[1,2,', () => response.socket?.destroy());
    });
    await expect(docker.readJson('/x', patient())).rejects.toThrow('aborted');
  });

  test.each(['http://127.0.0.1:1/x', 'ftp://host1/x', '//['])(
    'that leads elsewhere, to %s, is not followed',
    async (location) => {
      const docker = await answeredBy((_request, response) => void response.writeHead(301, { location }).end('moved'));
      await expect(docker.read('/x', {}, patient())).rejects.toThrow('docker answers 301 to GET /x: moved');
      // On the same connection, which nothing has broken.
      await expect(docker.read('/x', {}, patient())).rejects.toThrow('301');
    },
  );

  test('of another status that is cut in the middle is a failure at once', async () => {
    const docker = await answeredBy((_request, response) => {
      response.writeHead(500);
      response.write('{"message', () => response.socket?.destroy());
    });
    await expect(docker.read('/x', {}, patient())).rejects.toThrow('aborted');
  });

  test('that is no JSON is a failure that does not repeat it', async () => {
    const docker = await answeredBy((_request, response) => void response.end('"secret":"hunter2"}'));
    await expect(docker.readJson('/x', patient())).rejects.toThrow(
      /^docker answers something else than JSON to GET \/x$/,
    );
  });
});

describe('a question', () => {
  test('reaches an IPv6 address', async () => {
    server = http.createServer((_request, response) => void response.end('[]')).listen(0, '::1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const docker = new DockerRequests(parseEndpoint(`tcp://[::1]:${port}`, {}));
    expect(await docker.readJson('/x', patient())).toEqual([]);
  });

  test.each(['tcp://127.0.0.1:1', 'tcp://host1:99999', 'unix://', 'ssh://root@host1'])(
    'goes to the endpoint, though DOCKER_HOST is %s, with variables that make no sense',
    async (host) => {
      const before = process.env;
      const others = { DOCKER_CERT_PATH: '/nowhere', DOCKER_CLIENT_TIMEOUT: '1', DOCKER_PATH_PREFIX: '/elsewhere' };
      process.env = { ...before, DOCKER_HOST: host, DOCKER_TLS_VERIFY: '1', ...others };
      try {
        const docker = await answeredBy(({ url }, response) => void response.end(JSON.stringify([url])));
        expect(await docker.readJson('/x', patient())).toEqual(['/x']);
        expect(process.env['DOCKER_HOST']).toBe(host);
      } finally {
        process.env = before;
      }
    },
  );

  test('says what is wanted as it is, whatever characters it has', async () => {
    const docker = await answeredBy(({ url = '' }, response) => {
      response.end(JSON.stringify([...new URL(url, 'http://docker').searchParams]));
    });
    const query = { filters: '{"label":["a=b&c"]}', since: '1.000', "ü'?#%": ' +' };
    const { text } = await docker.read('/x', query, patient());
    expect(JSON.parse(text)).toEqual(Object.entries(query));
  });

  test.each([
    ['before the answer', () => {}],
    ['in its middle', (response: http.ServerResponse) => void response.write('[1,')],
  ])('is given up by its signal, %s', async (_title, begin) => {
    const asked = new EventEmitter();
    const docker = await answeredBy((_request, response) => {
      begin(response);
      asked.emit('asked');
    });
    const over = new AbortController();
    const [answer] = await Promise.all([
      docker.read('/x', {}, over.signal).catch(toError),
      once(asked, 'asked').then(() => over.abort()),
    ]);
    expect(answer).toMatchObject({ message: expect.stringContaining('aborted') });
    await expect(docker.read('/x', {}, over.signal)).rejects.toThrow('aborted');
  });

  test('is asked anew where the connection was kept and is closed just now', async () => {
    let connections = 0;
    const docker = await answeredBy((request, response) => {
      if (request.url === '/second' && connections === 1) request.socket.resetAndDestroy();
      else response.end('[]');
    });
    server?.on('connection', () => {
      connections += 1;
    });
    await docker.read('/first', {}, patient());
    expect(await docker.readJson('/second', patient())).toEqual([]);
    expect(connections).toBe(2);
  });

  test('is not asked anew where a new connection is closed', async () => {
    let requests = 0;
    const docker = await answeredBy((request) => {
      requests += 1;
      request.socket.resetAndDestroy();
    });
    await expect(docker.read('/x', {}, patient())).rejects.toThrow('ECONNRESET');
    expect(requests).toBe(1);
  });
});
