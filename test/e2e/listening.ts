import { once } from 'node:events';
import { connect } from 'node:net';
import { until } from '../fixtures/until.js';

/** Waits until a server takes connections: a container runs before the program in it listens. */
export async function untilListening(host: string, port: number): Promise<void> {
  await until(`${host}:${port} takes connections`, async () => {
    const socket = connect({ host, port, timeout: 1000 });
    try {
      await once(socket, 'connect');
      return true;
    } finally {
      socket.destroy();
    }
  });
}
