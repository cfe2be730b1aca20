import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { listen } from '../../../../test/fixtures/listen.js';

/** A way to a server on which its clock seems to be another. */
export interface ShiftedClock extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
}

/**
 * A machine has one clock, which a test cannot set: so the date that a server tells in HTTP is altered on its way. All
 * else passes as it is, gRPC on the same port too.
 *
 * @param by milliseconds
 */
export async function shiftedClock(port: number, by: number): Promise<ShiftedClock> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => undefined));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    client.pipe(upstream).pipe(dateShifted(by)).pipe(client);
  });
  const own = await listen(server);
  return {
    host: `127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A date has as many characters as any other. */
function dateShifted(by: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      const text = chunk.toString('latin1').replace(/^(Date: )(.*)(?=\r$)/im, (_line, name: string, date: string) => {
        return name + new Date(Date.parse(date) + by).toUTCString();
      });
      done(null, Buffer.from(text, 'latin1'));
    },
  });
}
