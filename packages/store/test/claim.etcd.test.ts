// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { processIdentity } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { until } from '../../../test/fixtures/until.js';
import { map, open, type Opened, soon } from './opened.js';

const PATH = 'hosts/h/status';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

/** One run of an agent. */
function run(
  prefix: string,
  machine: string,
  { hosts = etcd.host, ttl = 2000, verify = 200, process = '' } = {},
): Opened {
  const identity = process === '' ? {} : { process };
  const value = JSON.stringify({ machine, pid: 7, started: '2026-01-01T00:00:00Z', ...identity });
  return open(hosts, prefix, { ttl, verify, renew: ttl / 3, claim: { path: PATH, value } });
}

async function claim(prefix: string): Promise<Record<string, unknown>> {
  return JSON.parse((await etcd.read(`${prefix}/`))[`${prefix}/${PATH}`] ?? '{}');
}

/** The other keys. */
async function others(prefix: string): Promise<Record<string, string>> {
  const { [`${prefix}/${PATH}`]: _, ...rest } = await etcd.read(`${prefix}/`);
  return rest;
}

test('the claim is there before anything is published, and what it says can be changed', async () => {
  await using a = run('/says', 'a');
  await a.registrations.settled(soon());
  expect(await etcd.read('/says/')).toEqual({
    [`/says/${PATH}`]: '{"machine":"a","pid":7,"started":"2026-01-01T00:00:00Z"}',
  });
  const before = await etcd.revision();
  a.registrations.describe('{"machine":"a","containers":3}');
  a.registrations.publish(map({ k: '1' }));
  await a.registrations.settled(soon());
  expect(await claim('/says')).toEqual({ machine: 'a', containers: 3 });
  // Both in one transaction.
  expect(await etcd.revision()).toBe(before + 1);
});

describe('while another run lives', () => {
  test('a second is refused within about a TTL, says who has the name, and has written nothing', async () => {
    await using first = run('/two', 'a');
    first.registrations.publish(map({ k: 'first' }));
    await first.registrations.settled(soon());
    await using second = run('/two', 'b');
    second.registrations.publish(map({ k: 'second', l: 'second' }));
    const started = performance.now();
    await expect(second.registrations.settled(soon())).rejects.toThrow(
      'hosts/h/status in the tree is held by another agent, which is alive ' +
        '(machine a, process 7, started 2026-01-01T00:00:00Z): no two agents can have the same name',
    );
    expect(performance.now() - started).toBeLessThan(6000);
    expect(second.registrations.refusal.reason).toMatchObject({ code: 'ERR_CLAIMED' });
    expect(second.count('claim contested')).toBe(1);
    await expect(second.registrations.settled()).rejects.toThrow('held by another agent');
    await second.registrations.flush();
    expect([await etcd.version(`/two/${PATH}`), await etcd.version('/two/k')]).toEqual([1, 1]);
    expect(await others('/two')).toEqual({ '/two/k': 'first' });
    expect(first.registrations.refusal.aborted).toBe(false);
    expect(first.count('lost key')).toBe(0);
  });

  test('of two that start at once, one is refused', async () => {
    await using a = run('/both', 'a');
    await using b = run('/both', 'b');
    const refused = await until('one is refused', () => [a, b].find((each) => each.registrations.refusal.aborted));
    const other = refused === a ? b : a;
    await other.registrations.settled(soon());
    expect(await claim('/both')).toMatchObject({ machine: other === a ? 'a' : 'b' });
  });
});

describe('after a former run', () => {
  test('that ended in order, the next goes on at once, and nothing was ever away', async () => {
    const first = run('/order', 'a');
    first.registrations.publish(map({ kept: '1', gone: '1' }));
    await first.registrations.settled(soon());
    await first.registrations.close();
    expect(await claim('/order')).toMatchObject({ machine: 'a', stopped: expect.any(String) });

    await using second = run('/order', 'a');
    await second.registrations.settled(soon());
    expect(second.events.find(({ type }) => type === 'claimed')).toMatchObject({ inherited: 2 });
    expect(await claim('/order')).not.toHaveProperty('stopped');
    // Nothing is known yet: all stays, for longer than the first's lease.
    const lease = String(first.registrations.state.leaseId);
    await until('the first lease is gone', async () => (await remaining(lease)) < 0);
    expect(await others('/order')).toEqual({ '/order/kept': '1', '/order/gone': '1' });
    second.registrations.publish(map({ kept: '1' }));
    await second.registrations.settled(soon());
    expect(await others('/order')).toEqual({ '/order/kept': '1' });
    // Put once by each.
    expect(await etcd.version('/order/kept')).toBe(2);
  });

  test('that died, the next waits for its lease to run low, and takes over before it lapses', async () => {
    await using proxy = await startProxy(etcd.port);
    const first = run('/died', 'a', { hosts: proxy.host, ttl: 6000 });
    first.registrations.publish(map({ k: '1' }));
    await first.registrations.settled(soon());
    proxy.refuse();
    await using second = run('/died', 'a', { ttl: 6000 });
    await second.registrations.settled(soon());
    expect(second.count('claim contested')).toBe(1);
    expect(await others('/died')).toEqual({ '/died/k': '1' });
    expect(await etcd.version('/died/k')).toBe(2);
    // Of six seconds at most two were left; what is not moved yet when there are more keys must not lapse meanwhile.
    expect(await remaining(String(first.registrations.state.leaseId))).toBeGreaterThan(3);
    await first.registrations.close();
  });

  test('that died on this machine, the next sees it and takes over at once, long before its lease runs low', async () => {
    await using proxy = await startProxy(etcd.port);
    const process = spawn('sleep', ['1000'], { stdio: 'ignore' });
    await once(process, 'spawn');
    const identity = processIdentity(process.pid ?? 0) ?? '';
    const first = run('/killed', 'a', { hosts: proxy.host, ttl: 60_000, process: identity });
    first.registrations.publish(map({ k: '1' }));
    await first.registrations.settled(soon());
    proxy.refuse();
    await using second = run('/killed', 'a', { ttl: 60_000 });
    await until('it waits, since the other lives', () => second.count('claim contested') === 1);
    process.kill('SIGKILL');
    await second.registrations.settled(soon());
    expect(second.events.find(({ type }) => type === 'claimed')).toMatchObject({ inherited: 1 });
    expect(await others('/killed')).toEqual({ '/killed/k': '1' });
    await first.registrations.close();
  });

  test('what is known in part is written, and the rest stays until all is', async () => {
    const first = run('/part', 'a');
    first.registrations.publish(map({ a: '1', b: '1', c: '1' }));
    await first.registrations.settled(soon());
    await first.registrations.close();
    await using second = run('/part', 'a');
    second.registrations.publish(map({ a: '2' }), { keep: (path) => path !== 'c' });
    await second.registrations.settled(soon());
    expect(await others('/part')).toEqual({ '/part/a': '2', '/part/b': '1' });
    expect(second.registrations.state.desired).toEqual(map({ a: '2', b: '1' }));
    // Nor does a lost lease lose it.
    await etcd.call('lease/revoke', { ID: second.registrations.state.leaseId });
    await until('all is back', async () => Object.keys(await others('/part')).length === 2);
    second.registrations.publish(map({ a: '2' }));
    await second.registrations.settled(soon());
    expect(await others('/part')).toEqual({ '/part/a': '2' });
  });

  test('what all is known before the keys are taken over is dropped at once, not after a TTL', async () => {
    const first = run('/drop', 'a', { ttl: 30_000 });
    first.registrations.publish(map({ a: '1', b: '1' }), { shared: map({ f: '1' }) });
    await first.registrations.settled(soon());
    await first.registrations.close();
    await using second = run('/drop', 'a', { ttl: 30_000 });
    second.registrations.publish(map({ a: '1' }), { shared: map({ f: '2' }) });
    await second.registrations.settled(soon());
    expect(await others('/drop')).toEqual({ '/drop/a': '1', '/drop/f': '2' });
    // The shared one too was ours: not for a moment was it somebody else's.
    expect(second.count('held by another')).toBe(0);
  });

  test('with another TTL, and 2,000 keys: all are taken over', async () => {
    const keys = new Map(Array.from({ length: 2000 }, (_, i) => [`k${i}`, '1']));
    const first = run('/ttl', 'a', { ttl: 30_000 });
    first.registrations.publish(keys);
    await first.registrations.settled(soon());
    await first.registrations.close();
    await using second = run('/ttl', 'a', { ttl: 5000 });
    await second.registrations.settled(soon());
    expect(second.registrations.state.written.size).toBe(2001);
    const { leaseId } = second.registrations.state;
    expect(await etcd.call('lease/timetolive', { ID: leaseId, keys: true })).toMatchObject({ grantedTTL: '5' });
    expect(Object.keys(await others('/ttl')).length).toBe(2000);
  });

  test("that left a claim without a lease, or what is no claim, it is nobody's", async () => {
    await etcd.put(`/nobody/${PATH}`, 'not JSON');
    await using a = run('/nobody', 'a');
    await a.registrations.settled(soon());
    expect(await claim('/nobody')).toMatchObject({ machine: 'a' });
  });
});

test('a run taken for dead that comes back changes nothing, and is refused', async () => {
  await using proxy = await startProxy(etcd.port);
  await using first = run('/back', 'a', { hosts: proxy.host, ttl: 3000 });
  first.registrations.publish(map({ k: 'first' }));
  await first.registrations.settled(soon());
  proxy.refuse();
  await using second = run('/back', 'b', { ttl: 3000 });
  second.registrations.publish(map({ k: 'second' }));
  await second.registrations.settled(soon());
  first.registrations.publish(map({ k: 'first again' }));
  proxy.pass();
  await until('the first is refused', () => first.registrations.refusal.aborted);
  expect(await others('/back')).toEqual({ '/back/k': 'second' });
  expect(second.count('lost key')).toBe(0);
});

test('a run whose claim another has taken writes nothing more, though it has not looked yet', async () => {
  await using a = run('/fenced', 'a', { verify: 60_000 });
  a.registrations.publish(map({ k: '1', l: '1' }));
  await a.registrations.settled(soon());
  const lease = String(Reflect.get(Object(await etcd.call('lease/grant', { TTL: 60 })), 'ID'));
  await etcd.put(`/fenced/${PATH}`, '{"machine":"b"}', lease);
  a.registrations.publish(map({ k: '2' }));
  await until('it knows', () => a.count('claim contested') === 1);
  expect(await others('/fenced')).toEqual({ '/fenced/k': '1', '/fenced/l': '1' });
});

test('a claim that somebody deletes, or writes over, is put right', async () => {
  await using a = run('/right', 'a');
  a.registrations.publish(map({ k: '1' }));
  await a.registrations.settled(soon());
  await etcd.remove(`/right/${PATH}`);
  await until('it is back', async () => (await claim('/right'))['machine'] === 'a');
  await etcd.put(`/right/${PATH}`, '{}');
  await until('it is right', async () => (await claim('/right'))['machine'] === 'a');
  expect(await others('/right')).toEqual({ '/right/k': '1' });
  expect(a.registrations.refusal.aborted).toBe(false);
});

test('an etcd that loses everything loses the claim too, and it comes back with the rest', async () => {
  await using own = await startEtcd();
  await using a = run('/clusterf', 'a', { hosts: own.host });
  a.registrations.publish(map({ k: '1' }));
  await a.registrations.settled(soon());
  await own.restartEmpty();
  await until('all is back', async () => Object.keys(await own.read('/clusterf/')).length === 2);
});

test('one that waits for a claim ends at once when told to, and leaves the claim alone', async () => {
  await using first = run('/wait', 'a', { ttl: 30_000 });
  await first.registrations.settled(soon());
  const second = run('/wait', 'b', { ttl: 30_000 });
  await until('it waits', () => second.count('claim contested') === 1);
  const started = performance.now();
  await second.registrations.close();
  expect(performance.now() - started).toBeLessThan(1000);
  expect(await claim('/wait')).toMatchObject({ machine: 'a' });
});

/** Whole seconds; negative once the lease is gone. */
async function remaining(lease: string): Promise<number> {
  return Number(Reflect.get(Object(await etcd.call('lease/timetolive', { ID: lease })), 'TTL'));
}
