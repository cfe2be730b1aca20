import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import {
  type Command,
  type Destination,
  IpvsClient,
  type VirtualService,
  type VirtualServiceId,
  virtualServiceKey,
} from '../src/index.js';
import { emptyKernel, plain, saved, until } from './support/kernel.js';

let client: IpvsClient;
beforeAll(async () => {
  client = await emptyKernel();
});
beforeEach(() => client.flush());
afterAll(() => client.close());

const id: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };
const service: VirtualService = { id, ...plain };
const destination: Destination = {
  family: 'ipv4',
  address: '192.0.2.1',
  port: 80,
  method: 'droute',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};

test('info names version and size of the connection table', async () => {
  const info = await client.info();
  expect(info.version).toBe('1.2.1');
  expect(Math.log2(info.connectionTableSize) % 1).toBe(0);
});

describe('the kernel refuses', () => {
  test.each<[string, () => Promise<unknown>, string, string]>([
    [
      'a second virtual service of one identity',
      () => client.newService(service),
      'EEXIST',
      'newService tcp 10.0.0.1:80',
    ],
    [
      'to change a virtual service that is not there',
      () => client.setService({ ...service, id: { family: 'ipv4', fwmark: 9 } }),
      'ESRCH',
      'setService fwmark ipv4 9',
    ],
    ['to delete one', () => client.delService({ ...id, port: 81 }), 'ESRCH', 'delService tcp 10.0.0.1:81'],
    ['to zero one', () => client.zero({ ...id, port: 81 }), 'ESRCH', 'zero tcp 10.0.0.1:81'],
    [
      'a scheduler it does not have',
      () => client.newService({ ...service, id: { ...id, port: 81 }, scheduler: 'nonesuch' }),
      'ENOENT',
      'newService tcp 10.0.0.1:81: the kernel lacks this scheduler',
    ],
    [
      'a second destination of one identity',
      () => client.newDestination(id, destination),
      'EEXIST',
      'newDestination 192.0.2.1:80 of tcp 10.0.0.1:80: exists already',
    ],
    [
      'to change a destination that is not there',
      () => client.setDestination(id, { ...destination, port: 81 }),
      'ENOENT',
      'setDestination 192.0.2.1:81 of tcp 10.0.0.1:80: no such destination',
    ],
    [
      'to delete one',
      () => client.delDestination(id, { ...destination, port: 81 }),
      'ENOENT',
      'delDestination 192.0.2.1:81 of tcp 10.0.0.1:80: no such destination',
    ],
    [
      'a destination of a virtual service that is not there',
      () => client.newDestination({ ...id, port: 81 }, destination),
      'ESRCH',
      'newDestination 192.0.2.1:80 of tcp 10.0.0.1:81: no such virtual service',
    ],
    [
      'a daemon on an interface that is not there',
      () => client.newDaemon({ role: 'master', interface: 'nonesuch0', syncId: 1 }),
      'ENODEV',
      'newDaemon master',
    ],
    ['to stop a daemon that does not run', () => client.delDaemon('backup'), 'ESRCH', 'that daemon is not running'],
  ])('%s', async (_, act, code, message) => {
    await client.newService(service);
    await client.newDestination(id, destination);
    const before = await saved();
    await expect(act()).rejects.toMatchObject({ name: 'IpvsError', code, message: expect.stringContaining(message) });
    expect(await saved()).toEqual(before);
  });

  test('everything to a process without CAP_NET_ADMIN, which open says', async () => {
    const script = `
      import { IpvsClient } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      await IpvsClient.open().then(() => console.log('opened'), (error) => console.log(error.message));`;
    expect(await node(script, ['setpriv', '--bounding-set', '-net_admin'])).toBe(
      'open: not permitted: needs CAP_NET_ADMIN in the network namespace (EPERM)\n',
    );
  });
});

describe('what is not there', () => {
  test('is undefined as a virtual service', async () => {
    expect(await client.service(id)).toBeUndefined();
  });

  test('has no destinations', async () => {
    expect(await client.destinations(id)).toEqual([]);
  });
});

function numbered(n: number): VirtualServiceId {
  return { ...id, address: `10.1.${n >> 8}.${n & 255}` };
}

describe('a batch', () => {
  test('of nothing does nothing', async () => {
    expect(await client.batch([])).toEqual([]);
  });

  test('has each failure at its command’s place, whatever the sends it is cut into, and does all the rest', async () => {
    const commands = Array.from({ length: 1000 }, (_, n): Command => {
      // Every seventh makes the virtual service of the one before once more.
      return { command: 'newService', service: { ...service, id: numbered(n % 7 === 6 ? n - 1 : n) } };
    });
    const results = await client.batch(commands);
    const expected = commands.map((_, n) =>
      n % 7 === 6 ? `newService ${virtualServiceKey(numbered(n - 1))}: exists already (EEXIST)` : undefined,
    );
    expect(results.map((error) => error?.message)).toEqual(expected);
    expect(await client.services()).toHaveLength(expected.filter((message) => message === undefined).length);
  });

  test('in which every command fails loses no answer', async () => {
    const results = await client.batch(
      Array.from({ length: 1000 }, (_, n) => ({ command: 'delService', service: numbered(n) }) as const),
    );
    expect(results.map((error) => error?.code)).toEqual(Array(1000).fill('ESRCH'));
  });

  test('is carried out in order', async () => {
    const results = await client.batch([
      { command: 'newDestination', service: id, destination },
      { command: 'newService', service },
      { command: 'newDestination', service: id, destination },
      { command: 'setDestination', service: id, destination: { ...destination, weight: 2 } },
      { command: 'delDestination', service: id, destination },
      { command: 'setDestination', service: id, destination },
      { command: 'flush' },
      { command: 'delService', service: id },
    ]);
    expect(results.map((error) => error?.code)).toEqual([
      'ESRCH',
      undefined,
      undefined,
      undefined,
      undefined,
      'ENOENT',
      undefined,
      'ESRCH',
    ]);
  });

  test('with one wrong argument sends nothing', async () => {
    const wrong: Command = { command: 'newService', service: { ...service, scheduler: '' } };
    await expect(client.batch([{ command: 'newService', service }, wrong])).rejects.toMatchObject({
      name: 'ArgumentError',
      field: 'service.scheduler',
    });
    expect(await client.services()).toEqual([]);
  });
});

test('a table of thousands is read whole', async () => {
  const commands: Command[] = [];
  for (let n = 0; n < 300; n++) {
    const one = { ...id, address: `10.2.${n >> 8}.${n & 255}` };
    commands.push({ command: 'newService', service: { ...service, id: one } });
    for (let port = 1; port <= (n === 0 ? 2000 : 5); port++) {
      commands.push({ command: 'newDestination', service: one, destination: { ...destination, port } });
    }
  }
  expect((await client.batch(commands)).filter(Boolean)).toEqual([]);
  const table = await client.table();
  expect(table).toHaveLength(300);
  expect(new Set(table[0] && table.flatMap((entry) => entry.destinations.map(({ port }) => port))).size).toBe(2000);
  expect(table.reduce((sum, { destinations }) => sum + destinations.length, 0)).toBe(2000 + 299 * 5);
});

test('a table read without counters is the same in all else', async () => {
  await client.batch([
    { command: 'newService', service },
    { command: 'newDestination', service: id, destination },
  ]);
  const [whole] = await client.table();
  const [lean] = await client.table({ stats: false });
  const { stats: _ofService, ...bareService } = whole?.service ?? {};
  const { stats: _ofDestination, ...bareDestination } = whole?.destinations[0] ?? {};
  expect(lean).toStrictEqual({ service: bareService, destinations: [bareDestination] });
  expect(bareDestination).toMatchObject({ ...destination, activeConnections: 0 });
});

test('counters count connections through the virtual service, and zero sets them back', async () => {
  const here: VirtualServiceId = { ...id, address: '127.0.0.10', port: 8000 };
  const server = createServer((socket) => socket.end('served'));
  server.listen(0, '127.0.0.20');
  await once(server, 'listening');
  const listening = server.address();
  if (listening === null || typeof listening === 'string') throw new Error('no port');
  await client.newService({ ...service, id: here });
  await client.newDestination(here, { ...destination, address: '127.0.0.20', port: listening.port, method: 'masq' });
  for (let n = 0; n < 3; n++) {
    const socket = connect(8000, '127.0.0.10');
    const chunks: Buffer[] = await socket.toArray();
    expect(Buffer.concat(chunks).toString()).toBe('served');
  }
  // The kernel's estimator brings them up to date every two seconds.
  const counted = await until(
    async () => client.service(here),
    (one) => (one?.stats.connections ?? 0n) > 0n,
  );
  expect(counted?.stats.connections).toBe(3n);
  expect(counted?.stats.packetsIn).toBeGreaterThanOrEqual(9n);
  expect(counted?.stats.bytesOut).toBeGreaterThan(3n * 40n);
  const [through] = await client.destinations(here);
  expect(through?.stats.connections).toBe(3n);
  expect(through?.activeConnections).toBe(0);
  expect(through?.inactiveConnections).toBe(3);

  await client.zero(here);
  expect((await client.service(here))?.stats).toMatchObject({ connections: 0n, packetsIn: 0n, bytesOut: 0n });
  await client.zero();
  server.close();
});

test('requests made all at once are each answered', async () => {
  await client.newService(service);
  const [services, one, none, table, info] = await Promise.all([
    client.services(),
    client.service(id),
    client.service({ ...id, port: 81 }),
    client.table(),
    client.info(),
    client.newDestination(id, destination),
  ]);
  expect(services).toHaveLength(1);
  expect(one?.id).toEqual(id);
  expect(none).toBeUndefined();
  expect(table).toHaveLength(1);
  expect(info.version).toBe('1.2.1');
});

test('a process with an open, idle client ends by itself', async () => {
  const script = `
    import { IpvsClient } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    const client = await IpvsClient.open();
    console.log((await client.info()).version);`;
  expect(await node(script)).toBe('1.2.1\n');
});

/** Runs a script in a Node of its own, over the built package; kills it and fails if it does not end. */
function node(script: string, prefix: readonly string[] = ['env']): Promise<string> {
  const [program, ...args] = [...prefix, process.execPath, '--input-type=module', '--eval', script];
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 20_000 }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
}
