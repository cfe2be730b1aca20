import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { openRegistrations } from '@clusterf/store';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';

test('after a long outage as after a short one, etcd is tried more often than a lease lapses', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.resetAndDestroy();
  });
  const registrations = openRegistrations({ url: `etcd://127.0.0.1:${await listen(server)}`, ttl: 1500 });
  try {
    registrations.publish(new Map([['a', '1']]));
    // Waits that doubled up to some seconds would make this take most of a minute.
    await until('thirty connections, two an attempt', () => connections >= 30, 20_000);
  } finally {
    await registrations.close();
    server.close();
  }
  expect(registrations.state.settled).toBe(false);
}, 30_000);
