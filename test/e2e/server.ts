/**
 * What runs in the containers of the end-to-end tests and the demo: says who it is, over TCP and UDP, and sends long
 * streams whose every byte is known.
 *
 *     GET /            the host name
 *     GET /stream      endless, `patternByte` at every offset, about RATE bytes a second
 *     any datagram     the host name
 *
 * On SIGTERM it serves on for GRACE_MS and exits, the way a good citizen behind a balancer does.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { pattern } from './pattern.js';

const PORT = Number(process.env['PORT'] ?? 8080);
const GRACE_MS = Number(process.env['GRACE_MS'] ?? 1000);
const RATE = 1_000_000;
const CHUNKS_A_SECOND = 20;

createServer((request, response) => {
  if (request.url !== '/stream') {
    response.end(`${hostname()}\n`);
    return;
  }
  const send = async () => {
    for (let offset = 0; !response.destroyed; ) {
      const chunk = pattern(offset, RATE / CHUNKS_A_SECOND);
      offset += chunk.length;
      response.write(chunk);
      await wait(1000 / CHUNKS_A_SECOND);
    }
  };
  void send();
}).listen(PORT);

const datagrams = createSocket('udp4');
datagrams.on('message', (_, { address, port }) => datagrams.send(`${hostname()}\n`, port, address)).bind(PORT);

process.on('SIGTERM', () => setTimeout(() => process.exit(0), GRACE_MS));
