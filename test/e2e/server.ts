/**
 * What runs in the containers of the end-to-end tests, the cluster and the demo: says who it is, over TCP and UDP, and
 * sends long streams whose every byte is known.
 *
 *     GET /            its name: NAME, or the host name
 *     GET /client      its name and the client's address, a line each
 *     GET /bytes/N     N bytes at full speed, `patternByte` at every offset
 *     GET /stream      the same, endless, about RATE bytes a second
 *     POST /           its name and how many bytes came, a line each; an error if one of them was not as above
 *     GET / (Upgrade: echo)  its name in the header `Server`, then every byte back that is as above; ends at one that is not
 *     datagram client  its name and the client's address, a line each; any other datagram: its name
 *
 * Writes a line to standard output once it listens. On SIGTERM it serves on for GRACE_MS and exits, the way a good
 * citizen behind a balancer does.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { mismatch, pattern } from './pattern.js';

const NAME = process.env['NAME'] ?? hostname();
const PORT = Number(process.env['PORT'] ?? 8080);
const GRACE_MS = Number(process.env['GRACE_MS'] ?? 1000);
const RATE = 1_000_000;
const CHUNKS_A_SECOND = 20;

const server = createServer((request, response) => {
  const { url = '/' } = request;
  const bytes = /^\/bytes\/(\d+)$/.exec(url)?.[1];
  if (request.method === 'POST') void receive(request, response);
  else if (url === '/stream') void stream(response);
  else if (url === '/client') response.end(`${NAME}\n${plain(request.socket.remoteAddress)}\n`);
  else if (bytes !== undefined) response.end(pattern(0, Number(bytes)));
  else response.end(`${NAME}\n`);
});

async function stream(response: ServerResponse): Promise<void> {
  for (let offset = 0; !response.destroyed; ) {
    const chunk = pattern(offset, RATE / CHUNKS_A_SECOND);
    offset += chunk.length;
    response.write(chunk);
    await wait(1000 / CHUNKS_A_SECOND);
  }
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    const wrong = mismatch(bytes, piece);
    if (wrong !== undefined) return void response.writeHead(400).end(`wrong byte at ${wrong}\n`);
    bytes += piece.length;
  }
  response.end(`${NAME}\n${bytes}\n`);
}

server.on('upgrade', (_request, socket, head) => {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nServer: ${NAME}\r\n\r\n`);
  echo(socket, head);
});

function echo(socket: Duplex, head: Buffer): void {
  let offset = 0;
  const give = (piece: Buffer) => {
    if (mismatch(offset, piece) !== undefined) return void socket.destroy();
    offset += piece.length;
    socket.write(piece);
  };
  give(head);
  socket.on('data', give);
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
}

/** A socket for both families shows IPv4 as part of IPv6. */
function plain(address = ''): string {
  return address.replace(/^::ffff:/, '');
}

/** Of each family there is. */
for (const type of ['udp4', 'udp6'] as const) {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  socket.on('message', (message, { address, port }) => {
    const answer = message.toString() === 'client' ? `${NAME}\n${address}\n` : `${NAME}\n`;
    socket.send(answer, port, address);
  });
  socket.on('error', () => socket.close());
  socket.bind(PORT);
}

server.listen(PORT);
await once(server, 'listening');
process.stdout.write(`${NAME} listens at ${PORT}\n`);
process.on('SIGTERM', () => setTimeout(() => process.exit(0), GRACE_MS));
