// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSource } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { map, open, type Opened, soon } from './opened.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const NONE = new Map<string, string>();

/** Somebody who wants the key `f`, and looks at all their keys so rarely that only a watch tells them of anything. */
function wants(prefix: string, value: string): Opened {
  const opened = open(etcd.host, prefix, { verify: 60_000 });
  opened.registrations.publish(NONE, { shared: map({ f: value }) });
  return opened;
}

async function found(prefix: string): Promise<string | undefined> {
  return (await etcd.read(`${prefix}/`))[`${prefix}/f`];
}

/** A balancer's view: from when it looks on, for how many milliseconds is the key away before it is `b`? */
async function absence(prefix: string): Promise<{ readonly away: Promise<number> }> {
  const stop = new AbortController();
  let isLooking = false;
  const follow = async () => {
    let deleted: number | undefined;
    for await (const event of openSource(`etcd://${etcd.host}${prefix}`).events(stop.signal)) {
      isLooking = true;
      if (event.type !== 'changes' || !event.changes.has('f')) continue;
      if (event.changes.get('f') === 'b') break;
      deleted = performance.now();
    }
    stop.abort();
    return deleted === undefined ? 0 : performance.now() - deleted;
  };
  const away = follow();
  await until('it looks', () => isLooking);
  return { away };
}

/** 300 shared keys. */
function many(value: string): Map<string, string> {
  return new Map(Array.from({ length: 300 }, (_, i) => [`k${i}`, value]));
}

test('of two that want a key the first has it, and the other knows and waits', async () => {
  await using a = wants('/first', 'a');
  await a.registrations.settled(soon());
  await using b = wants('/first', 'b');
  await b.registrations.settled(soon());
  expect(await found('/first')).toBe('a');
  expect(a.registrations.state).toMatchObject({ written: map({ f: 'a' }), held: NONE });
  expect(b.registrations.state).toMatchObject({ written: NONE, held: map({ f: 'a' }) });
  expect(b.events.at(-1)).toEqual({ type: 'held by another', key: 'f', value: 'a' });
  // Who has it may change it.
  a.registrations.publish(NONE, { shared: map({ f: 'a2' }) });
  await a.registrations.settled(soon());
  expect(await found('/first')).toBe('a2');
});

test.each([
  ['does not want it any more', async (a: Opened) => a.registrations.publish(NONE)],
  ['flushes', async (a: Opened) => a.registrations.flush()],
  ['dies, when its lease lapses', async (a: Opened) => a.registrations.close()],
])('when the one %s, the other has the key within a moment', async (how, end) => {
  const prefix = `/moment-${how.slice(0, 4).trim()}`;
  await using a = wants(prefix, 'a');
  await a.registrations.settled(soon());
  await using b = wants(prefix, 'b');
  await b.registrations.settled(soon());

  const { away } = await absence(prefix);
  await end(a);
  expect(await away).toBeLessThan(1000);
  expect(await found(prefix)).toBe('b');
  await until('b knows', () => b.registrations.state.held.size === 0);
  process.stdout.write(`a shared key was away for ${Math.round(await away)} ms when its holder ${how}\n`);
});

test("an operator's value, put before, is not touched by putting, changing, dropping or flushing", async () => {
  await etcd.put('/operator/f', 'theirs');
  await using a = wants('/operator', 'a');
  await a.registrations.settled(soon());
  const before = await etcd.revision();
  a.registrations.publish(NONE, { shared: map({ f: 'a2' }) });
  await a.registrations.settled(soon());
  expect(a.registrations.state.held).toEqual(map({ f: 'theirs' }));
  a.registrations.publish(NONE);
  await a.registrations.settled(soon());
  expect(a.registrations.state.held).toEqual(NONE);
  await a.registrations.flush();
  expect(await etcd.revision()).toBe(before);
  expect(await etcd.version('/operator/f')).toBe(1);
});

test('an operator who puts their own over ours keeps it, and gives it back by deleting it', async () => {
  await using a = open(etcd.host, '/over');
  a.registrations.publish(map({ own: '1' }), { shared: map({ f: 'a' }) });
  await a.registrations.settled(soon());
  await etcd.put('/over/f', 'theirs');
  await until('a knows', () => a.registrations.state.held.get('f') === 'theirs');
  await etcd.put('/over/f', 'theirs too');
  await until('a knows', () => a.registrations.state.held.get('f') === 'theirs too');
  expect(await etcd.version('/over/f')).toBe(3);
  // Not even when everything is put anew.
  await etcd.call('lease/revoke', { ID: a.registrations.state.leaseId });
  await until('own is back', async () => (await etcd.read('/over/'))['/over/own'] === '1');
  expect(await found('/over')).toBe('theirs too');
  await etcd.remove('/over/f');
  await until('it is ours', async () => (await found('/over')) === 'a');
  expect(a.count('lost key')).toBe(0);
});

test('one who wants a key for itself alone puts it over all others', async () => {
  await etcd.put('/alone/f', 'theirs');
  await using a = wants('/alone', 'a');
  await a.registrations.settled(soon());
  a.registrations.publish(map({ f: 'a' }));
  await a.registrations.settled(soon());
  expect(await found('/alone')).toBe('a');
});

test('300 keys that two want are each exactly one’s', async () => {
  await using a = open(etcd.host, '/race');
  await using b = open(etcd.host, '/race');
  a.registrations.publish(NONE, { shared: many('a') });
  b.registrations.publish(NONE, { shared: many('b') });
  await Promise.all([a.registrations.settled(soon()), b.registrations.settled(soon())]);
  const { written, held } = a.registrations.state;
  expect(written.size + held.size).toBe(300);
  expect(new Set(b.registrations.state.held.keys())).toEqual(new Set(written.keys()));
  expect(new Set(b.registrations.state.written.keys())).toEqual(new Set(held.keys()));
});
