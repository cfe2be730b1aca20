import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type Socket } from 'node:net';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { listen } from '../../../test/fixtures/listen.js';
import {
  ConflictError,
  MAX_CHANGES,
  NoSpaceError,
  openTree,
  type Reading,
  RefusedError,
  transactions,
  UnavailableError,
} from '../src/index.js';
import { map, open as openRegistrations, soon } from './opened.js';
import { read } from './reader.js';

const NOTHING: Reading = new Map();

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

/** A tree of its own for each test. */
let trees = 0;
function tree() {
  const prefix = `/tree${trees++}`;
  return { prefix, editable: openTree(`etcd://${etcd.host}${prefix}`) };
}

test('puts and removals are one transaction: one event, one revision', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  await etcd.put(`${prefix}/routes/old`, '{}');
  const reading = await editable.read();
  await using reader = read(editable);
  await reader.sees({ 'routes/old': '{}' });
  const changes = { 'services/web/frontend': '{"tcp":80}', 'services/🦊 x/frontend': '{}' };
  await editable.write(new Map([...Object.entries(changes), ['routes/old', undefined]]), reading);
  await reader.sees(changes);
  expect(reader.events.map(({ type }) => type)).toEqual(['snapshot', 'changes']);
  const revisions = [...(await editable.read()).values()].map(({ revision }) => revision);
  expect(new Set(revisions)).toEqual(new Set([String(await etcd.revision())]));
});

test('a path is the entry there and those below it, not those whose names begin so', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  for (const path of ['services/web', 'services/web/frontend', 'services/web/backends/a', 'services/web2/frontend'])
    await etcd.put(`${prefix}/${path}`, '{}');
  expect([...(await editable.read('services/web')).keys()]).toEqual([
    'services/web',
    'services/web/backends/a',
    'services/web/frontend',
  ]);
  expect([...(await editable.read('services/nothing')).keys()]).toEqual([]);
});

test('what an agent keeps is read with its lease, and stays on it when it is written', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  await using agent = openRegistrations(etcd.host, prefix, { verify: 60_000 });
  agent.registrations.publish(map({ 'services/web/backends/a': '{"weight":10}' }));
  await agent.registrations.settled(soon());
  const reading = await editable.read();
  const { leaseId } = agent.registrations.state;
  expect(reading.get('services/web/backends/a')).toMatchObject({ lease: leaseId });
  await editable.write(new Map([['services/web/backends/a', '{"weight":0}']]), reading);
  expect((await editable.read()).get('services/web/backends/a')).toMatchObject({
    value: '{"weight":0}',
    lease: leaseId,
  });
});

test.each([
  ['changed', async (key: string) => await etcd.put(key, '{"tcp":81}')],
  ['changed and changed back', async (key: string) => await etcd.put(key, '{"tcp":80}')],
  ['removed', async (key: string) => await etcd.remove(key)],
])('an entry that was %s since it was read keeps all from being written', async (...[, change]) => {
  const { prefix, editable } = tree();
  using _ = editable;
  await etcd.put(`${prefix}/services/web/frontend`, '{"tcp":80}');
  const reading = await editable.read();
  await change(`${prefix}/services/web/frontend`);
  const before = await etcd.read(`${prefix}/`);
  const attempt = editable.write(map({ 'services/web/frontend': '{}', 'routes/lan': '{}' }), reading);
  await expect(attempt).rejects.toThrow(ConflictError);
  await expect(attempt).rejects.toMatchObject({ paths: ['services/web/frontend'] });
  expect(await etcd.read(`${prefix}/`)).toEqual(before);
});

test('an entry that came since nothing was there is not overwritten', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  const reading = await editable.read();
  await etcd.put(`${prefix}/routes/lan`, '{"Prefix":"10.0.0.0/8"}');
  await expect(editable.write(map({ 'routes/lan': '{}' }), reading)).rejects.toThrow(/just changed routes\/lan/);
});

test('a transaction takes as many changes as etcd does; more come in portions', async () => {
  const { editable } = tree();
  using _ = editable;
  const many = map(Object.fromEntries(Array.from({ length: MAX_CHANGES * 2 + 1 }, (__, i) => [`routes/${i}`, '{}'])));
  await expect(editable.write(many, NOTHING)).rejects.toThrow(/257 changes are too many/);
  expect((await editable.read()).size).toBe(0);
  for (const portion of transactions(many)) await editable.write(portion, NOTHING);
  expect((await editable.read()).size).toBe(many.size);
});

test('a tree of several pages is read whole, at one revision', async () => {
  const { editable } = tree();
  using _ = editable;
  const value = JSON.stringify({ ipv4: '10.0.0.1', note: 'x'.repeat(3000) });
  const many = map(Object.fromEntries(Array.from({ length: 1500 }, (__, i) => [`services/s${i}/frontend`, value])));
  for (const portion of transactions(many)) await editable.write(portion, NOTHING);
  const reading = await editable.read();
  expect(new Set(reading.keys())).toEqual(new Set(many.keys()));
  expect([...reading.values()].every((entry) => entry.value === value)).toBe(true);
});

test('a value of a megabyte is written; one that etcd does not take is refused in words', async () => {
  const { editable } = tree();
  using _ = editable;
  const value = JSON.stringify({ x: 'x'.repeat(1_000_000) });
  await editable.write(map({ 'routes/a': value }), NOTHING);
  expect((await editable.read()).get('routes/a')?.value).toBe(value);
  for (const length of [1_600_000, 5_000_000]) {
    const attempt = editable.write(map({ 'routes/b': 'x'.repeat(length) }), NOTHING);
    await expect(attempt).rejects.toThrow(RefusedError);
    await expect(attempt).rejects.toThrow(/does not take requests so large/);
  }
});

test('members that do not answer are passed over; when none does, each is named, in bounded time', async () => {
  // What is given up before etcd has said a word is left open by gRPC.
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  const silent = await listen(server);
  try {
    using editable = openTree(`etcd://127.0.0.1:1,${etcd.host}/over`);
    await editable.write(map({ 'routes/a': '{}' }), await editable.read());
    expect(await etcd.read('/over/')).toEqual({ '/over/routes/a': '{}' });
    using away = openTree(`etcd://127.0.0.1:1,127.0.0.1:${silent}/over`);
    const began = performance.now();
    const attempt = away.read();
    await expect(attempt).rejects.toThrow(UnavailableError);
    await expect(attempt).rejects.toThrow(
      `etcd 127.0.0.1:1 does not answer (connect ECONNREFUSED); etcd 127.0.0.1:${silent} does not answer (no answer in time)`,
    );
    expect(performance.now() - began).toBeLessThan(8000);
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

test('one that goes away before it has answered leaves open whether it was written, and says so', async () => {
  const { editable } = tree();
  using _ = editable;
  const reading = await editable.read();
  etcd.freeze();
  try {
    await expect(editable.write(map({ 'routes/a': '{}' }), reading)).rejects.toThrow(
      /does not answer .*; whether it was written is not known: look at it again/,
    );
  } finally {
    etcd.thaw();
  }
});

test('etcd without space says what makes room, and still takes removals', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  await etcd.put(`${prefix}/routes/a`, '{}');
  const { memberID } = { memberID: '0' };
  await etcd.call('maintenance/alarm', { action: 'ACTIVATE', memberID, alarm: 'NOSPACE' });
  try {
    const reading = await editable.read();
    const attempt = editable.write(map({ 'routes/b': '{}' }), reading);
    await expect(attempt).rejects.toThrow(NoSpaceError);
    await expect(attempt).rejects.toThrow(/etcdctl defrag/);
    await editable.write(new Map([['routes/a', undefined]]), reading);
    expect(await etcd.read(`${prefix}/`)).toEqual({});
  } finally {
    await etcd.call('maintenance/alarm', { action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
  }
});

test('keys that are no text are passed over', async () => {
  const { prefix, editable } = tree();
  using _ = editable;
  await etcd.put(`${prefix}/routes/a`, '{}');
  const key = Buffer.concat([Buffer.from(`${prefix}/routes/`), Buffer.of(0xff)]).toString('base64');
  await etcd.call('kv/put', { key, value: '' });
  expect([...(await editable.read()).keys()]).toEqual(['routes/a']);
});
