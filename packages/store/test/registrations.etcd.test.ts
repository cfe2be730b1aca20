// oxlint-disable jest/expect-expect -- `holds` and `until` throw where what they wait for does not come
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startGrpcProxy } from '../../../test/fixtures/grpc-proxy.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { until } from '../../../test/fixtures/until.js';
import { map, open, soon, TTL } from './opened.js';

/** 10,000 keys of one value. */
function keys(value: string): Map<string, string> {
  return new Map(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, value]));
}

describe('with an etcd that stays up', () => {
  let etcd: EtcdProcess;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  /** Waits until etcd holds exactly these keys. */
  async function holds(prefix: string, expected: Readonly<Record<string, string>>): Promise<void> {
    const full = Object.fromEntries(Object.entries(expected).map(([path, value]) => [`${prefix}/${path}`, value]));
    await until(`${prefix} holds ${Object.keys(expected).join(', ') || 'nothing'}`, async () =>
      isDeepStrictEqual(await etcd.read(`${prefix}/`), full),
    );
  }

  test('what is published is written under a lease, what changes is changed, and nothing else is touched', async () => {
    await using opened = open(etcd.host, '/reg', { verify: 60_000 });
    const { registrations } = opened;
    registrations.publish(map({ a: '1', b: '1', c: '1' }));
    await registrations.settled(soon());
    expect(await etcd.read('/reg/')).toEqual({ '/reg/a': '1', '/reg/b': '1', '/reg/c': '1' });
    const before = await etcd.revision();
    registrations.publish(map({ a: '1', b: '2', d: '1' }));
    await registrations.settled(soon());
    expect(await etcd.read('/reg/')).toEqual({ '/reg/a': '1', '/reg/b': '2', '/reg/d': '1' });
    expect(await etcd.revision()).toBe(before + 1);
    registrations.publish(map({ a: '1', b: '2', d: '1' }));
    await registrations.settled(soon());
    expect(await etcd.revision()).toBe(before + 1);
    expect(opened.events.slice(4)).toEqual([
      { type: 'put key', key: 'b', value: '2' },
      { type: 'put key', key: 'd', value: '1' },
      { type: 'removed key', key: 'c' },
    ]);
    expect(registrations.state).toMatchObject({ settled: true, written: map({ a: '1', b: '2', d: '1' }) });
  });

  test('of many publications in a row only the newest counts', async () => {
    await using opened = open(etcd.host, '/newest', { verify: 60_000 });
    const before = await etcd.revision();
    for (let i = 0; i < 1000; i++) {
      opened.registrations.publish(map({ a: String(i) }));
    }
    await opened.registrations.settled(soon());
    expect(await etcd.read('/newest/')).toEqual({ '/newest/a': '999' });
    expect(await etcd.revision()).toBeLessThanOrEqual(before + 2);
  });

  test('10,000 keys are written, changed, put again when the lease is lost, taken over and removed', async () => {
    const claim = { path: 'hosts/h/status', value: '{}' };
    const first = open(etcd.host, '/many', { ttl: 10_000, verify: 60_000, claim });
    const { registrations } = first;
    const times: string[] = [];
    const took = (what: string, started: number) => {
      times.push(`${what} in ${Math.round(performance.now() - started)} ms`);
    };
    for (const [what, wanted] of [
      ['written', keys('1')],
      ['one changed', new Map([...keys('1'), ['k7', '2']])],
      ['all changed', keys('3')],
    ] as const) {
      const started = performance.now();
      registrations.publish(wanted);
      await registrations.settled(soon());
      took(what, started);
      expect(Object.keys(await etcd.read('/many/k')).length).toBe(wanted.size);
    }
    const revoked = performance.now();
    await etcd.call('lease/revoke', { ID: registrations.state.leaseId });
    await until('the loss is seen', () => first.count('lease lost') === 1);
    took('loss seen', revoked);
    await registrations.settled(soon());
    took('all put again', revoked);
    expect(Object.keys(await etcd.read('/many/k')).length).toBe(10_000);
    // That all are gone with their lease is no news of each.
    expect(first.count('lost key')).toBe(0);
    await registrations.close();

    await using second = open(etcd.host, '/many', { ttl: 10_000, verify: 60_000, claim });
    const started = performance.now();
    await second.registrations.settled(soon());
    took('taken over', started);
    const emptied = performance.now();
    second.registrations.publish(new Map());
    await second.registrations.settled(soon());
    took('removed', emptied);
    expect(Object.keys(await etcd.read('/many/'))).toEqual(['/many/hosts/h/status']);
    process.stdout.write(`10,000 registrations: ${times.join(', ')}\n`);
  });

  test('a full etcd takes no new key, but what is gone is removed all the same, and the rest follows when there is room', async () => {
    await using own = await startEtcd();
    const claim = { path: 'hosts/h/status', value: '{"containers":0}' };
    await using opened = open(own.host, '/full', { claim });
    const { registrations } = opened;
    const gone = Array.from({ length: 130 }, (_, index) => [`gone${index}`, '1'] as const);
    registrations.publish(new Map([['kept', '1'], ...gone]));
    await registrations.settled(soon());
    const alarm = { memberID: '1', alarm: 'NOSPACE' };
    await own.call('maintenance/alarm', { action: 'ACTIVATE', ...alarm });
    // As the agent does, with what it says of itself: more changes than one transaction takes.
    registrations.describe('{"containers":2}');
    registrations.publish(map({ kept: '2', new: '1' }));
    await until('what is gone is removed', async () => Object.keys(await own.read('/full/')).length === 2);
    expect(await own.read('/full/k')).toEqual({ '/full/kept': '1' });
    expect(registrations.state).toMatchObject({ settled: false });
    expect(registrations.state.lastError?.message).toContain('database space exceeded');
    expect(opened.count('failed')).toBe(1);
    await own.call('maintenance/alarm', { action: 'DEACTIVATE', ...alarm });
    await registrations.settled(soon());
    const all = { '/full/hosts/h/status': '{"containers":2}', '/full/kept': '2', '/full/new': '1' };
    expect(await own.read('/full/')).toEqual(all);
    expect(opened.count('lease lost')).toBe(0);
  });

  test('values that are large together, not one by one, are written', async () => {
    await using opened = open(etcd.host, '/large');
    const value = 'ü'.repeat(500_000);
    opened.registrations.publish(map({ a: value, b: value, c: value, d: value }));
    await opened.registrations.settled(soon());
    expect(Object.keys(await etcd.read('/large/'))).toHaveLength(4);
  });

  test('a lease revoked from outside is replaced, and everything is put again', async () => {
    await using opened = open(etcd.host, '/revoked');
    const { registrations } = opened;
    registrations.publish(map({ a: '1', b: '1' }));
    await registrations.settled(soon());
    const id = registrations.state.leaseId;
    await etcd.call('lease/revoke', { ID: id });
    expect(await etcd.read('/revoked/')).toEqual({});
    await until('there is another lease', () => registrations.state.leaseId !== id && registrations.state.settled);
    await holds('/revoked', { a: '1', b: '1' });
    expect(opened.count('lease lost')).toBe(1);
    expect(opened.count('lease granted')).toBe(2);
  });

  test('a lease found gone only when writing is replaced too', async () => {
    await using opened = open(etcd.host, '/found', { renew: 60_000, verify: 60_000 });
    const { registrations } = opened;
    registrations.publish(map({ a: '1' }));
    await registrations.settled(soon());
    await etcd.call('lease/revoke', { ID: registrations.state.leaseId });
    registrations.publish(map({ a: '1', b: '1' }));
    await registrations.settled(soon());
    expect(await etcd.read('/found/')).toEqual({ '/found/a': '1', '/found/b': '1' });
    // At once: that something was still to be written says nothing against the next lease.
    expect(opened.count('failed')).toBe(0);
  });

  test('keys that somebody else deletes or overwrites are put right', async () => {
    await using opened = open(etcd.host, '/foreign');
    const { registrations } = opened;
    registrations.publish(map({ a: '1', b: '1', c: '1' }));
    await registrations.settled(soon());
    await etcd.remove('/foreign/a');
    await etcd.put('/foreign/b', 'foreign', registrations.state.leaseId);
    await etcd.put('/foreign/c', '1');
    await until('all three were found', () => opened.count('lost key') === 3);
    await holds('/foreign', { a: '1', b: '1', c: '1' });
    // The last one too hangs on the lease again.
    await registrations.flush(soon());
    expect(await etcd.read('/foreign/')).toEqual({});
  });

  test('a key that somebody deletes is back at once, long before the next look at all of them', async () => {
    await using opened = open(etcd.host, '/deleted', { verify: 60_000 });
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    await etcd.remove('/deleted/a');
    await holds('/deleted', { a: '1', b: '1' });
    expect(opened.events.filter(({ type }) => type === 'lost key')).toEqual([{ type: 'lost key', key: 'a' }]);
    // Keys that we remove ourselves are no loss.
    opened.registrations.publish(map({ b: '1' }));
    await opened.registrations.settled(soon());
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    expect(opened.count('lost key')).toBe(1);
  });

  test('a key that somebody else has made theirs survives a flush, and a death', async () => {
    await using opened = open(etcd.host, '/theirs', { verify: 60_000 });
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    await etcd.put('/theirs/a', 'theirs');
    await opened.registrations.flush(soon());
    expect(await etcd.read('/theirs/')).toEqual({ '/theirs/a': 'theirs' });
  });

  test('a clock that is set, a day on or a day back, costs neither the lease nor a write', async () => {
    await using opened = open(etcd.host, '/clock');
    const { registrations } = opened;
    const { now } = Date;
    try {
      for (const [index, jump] of [0, 86_400_000, -86_400_000, 0].entries()) {
        Date.now = () => now() + jump;
        registrations.publish(map({ a: String(index) }));
        await registrations.settled(soon());
        const since = performance.now();
        await until('the lease would have lapsed', () => performance.now() - since > TTL + 1000);
      }
    } finally {
      Date.now = now;
    }
    expect(await etcd.read('/clock/')).toEqual({ '/clock/a': '3' });
    expect([opened.count('lease granted'), opened.count('failed')]).toEqual([1, 0]);
    expect(await etcd.version('/clock/a')).toBe(4);
  });

  test('a key that another lease has taken over is not removed', async () => {
    await using old = open(etcd.host, '/taken', { verify: 60_000 });
    old.registrations.publish(map({ a: 'old', b: 'old' }));
    await old.registrations.settled(soon());
    await using young = open(etcd.host, '/taken', { verify: 60_000 });
    young.registrations.publish(map({ a: 'young' }));
    await young.registrations.settled(soon());
    old.registrations.publish(map({}));
    await old.registrations.settled(soon());
    expect(await etcd.read('/taken/')).toEqual({ '/taken/a': 'young' });
  });

  test('closing leaves the keys to the TTL; a new run takes them over without a gap, and leaves the others to it', async () => {
    const old = open(etcd.host, '/run');
    old.registrations.publish(map({ kept: '1', left: '1' }));
    await old.registrations.settled(soon());
    await old.registrations.close();
    expect(await etcd.read('/run/')).toEqual({ '/run/kept': '1', '/run/left': '1' });
    await using young = open(etcd.host, '/run');
    young.registrations.publish(map({ kept: '1' }));
    await young.registrations.settled(soon());
    expect(await etcd.read('/run/')).toEqual({ '/run/kept': '1', '/run/left': '1' });
    await holds('/run', { kept: '1' });
    // Put twice since it was created: it was never gone.
    expect(await etcd.version('/run/kept')).toBe(2);
    expect(young.count('lost key')).toBe(0);
  });

  test('flushing removes every key at once, in one transaction', async () => {
    const opened = open(etcd.host, '/flush');
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    const before = await etcd.revision();
    await opened.registrations.flush(soon());
    expect(await etcd.read('/flush/')).toEqual({});
    expect(await etcd.revision()).toBe(before + 1);
    expect(opened.registrations.state).toMatchObject({ settled: true, written: new Map() });
    expect(opened.registrations.state.leaseId).toBeUndefined();
  });

  test('flushing before anything was published, or after closing, has nothing to do', async () => {
    const opened = open(etcd.host, '/idle');
    await opened.registrations.flush(soon());
    await opened.registrations.flush(soon());
    expect(opened.events).toEqual([]);
  });

  test('cut connections lose neither the lease nor a change', async () => {
    await using proxy = await startProxy(etcd.port);
    await using opened = open(proxy.host, '/cut');
    for (let i = 0; i < 10; i++) {
      opened.registrations.publish(map({ a: String(i), [`b${i}`]: '1' }));
      proxy.cut();
      await opened.registrations.settled(soon());
      expect(await etcd.read('/cut/')).toEqual({ '/cut/a': String(i), [`/cut/b${i}`]: '1' });
    }
    expect(opened.count('lease lost')).toBe(0);
  });

  test('a black hole shorter than the TTL is survived; flushing into one gives up, and closing never hangs', async () => {
    await using proxy = await startProxy(etcd.port);
    await using opened = open(proxy.host, '/hole', { ttl: 20_000 });
    const { registrations } = opened;
    registrations.publish(map({ a: '1' }));
    await registrations.settled(soon());
    proxy.stall();
    registrations.publish(map({ a: '2' }));
    await until('it is noticed', () => opened.count('failed') > 0);
    expect(registrations.state.lastError).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    await expect(registrations.settled(AbortSignal.timeout(50))).rejects.toThrow('aborted');
    proxy.pass();
    await registrations.settled(soon());
    expect(registrations.state.lastError).toBeUndefined();
    expect(opened.count('recovered')).toBe(1);
    expect(opened.count('lease granted')).toBe(1);
    proxy.stall();
    await expect(registrations.flush(AbortSignal.timeout(300))).rejects.toThrow('could not be removed');
    const started = performance.now();
    await registrations.close();
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test('an outage that shows in several ways is told of once, and its last reason known', async () => {
    await using proxy = await startProxy(etcd.port);
    await using opened = open(proxy.host, '/outage', { ttl: 20_000 });
    const { registrations } = opened;
    const reason = () => registrations.state.lastError?.message ?? '';
    registrations.publish(map({ a: '1' }));
    await registrations.settled(soon());
    for (const words of ['Deadline exceeded', 'No connection established']) {
      if (words.startsWith('Deadline')) proxy.stall();
      else proxy.refuse();
      proxy.cut();
      registrations.publish(map({ a: words }));
      await until('it shows in this way', () => reason().includes(words));
    }
    expect(opened.count('failed')).toBe(1);
    proxy.pass();
    await registrations.settled(soon());
    expect(opened.count('recovered')).toBe(1);
    proxy.refuse();
    proxy.cut();
    await until('the next one is told of', () => opened.count('failed') === 2);
  });

  test('a put whose answer is lost is not forgotten', async () => {
    await using proxy = await startGrpcProxy(etcd.port);
    await using opened = open(proxy.host, '/unknown', { ttl: 20_000, verify: 60_000 });
    const { registrations } = opened;
    registrations.publish(map({ a: '1' }));
    await registrations.settled(soon());
    proxy.silence('/etcdserverpb.KV/');
    registrations.publish(map({ a: '1', unanswered: '1' }));
    await holds('/unknown', { a: '1', unanswered: '1' });
    registrations.publish(map({ a: '1' }));
    await until('the answer is missed', () => opened.count('failed') > 0);
    expect(registrations.state.written).toEqual(map({ a: '1' }));
    proxy.speak();
    await registrations.settled(soon());
    expect(await etcd.read('/unknown/')).toEqual({ '/unknown/a': '1' });
  });

  test('an etcd slower than a request may be is waited for longer each time: overloaded, it is better than none', async () => {
    await using proxy = await startGrpcProxy(etcd.port);
    proxy.slow(1500);
    await using opened = open(proxy.host, '/slow', { ttl: 10_000, renew: 3000, verify: 60_000 });
    opened.registrations.publish(map({ a: '1' }));
    await opened.registrations.settled(soon());
    expect(await etcd.read('/slow/')).toEqual({ '/slow/a': '1' });
    expect(opened.count('failed')).toBe(1);
  });

  test('who waits for a settlement that will not come is told when all is closed', async () => {
    await using proxy = await startProxy(etcd.port);
    proxy.refuse();
    const opened = open(proxy.host, '/never');
    opened.registrations.publish(map({ a: '1' }));
    const waiting = opened.registrations.settled();
    const closing = opened.registrations.close();
    await expect(waiting).rejects.toThrow('were closed');
    await closing;
  });
});

describe('with an etcd of its own', () => {
  test('a restart on the same data keeps the lease and the keys', async () => {
    await using etcd = await startEtcd();
    await using opened = open(etcd.host, '/clusterf', { ttl: 20_000 });
    opened.registrations.publish(map({ a: '1' }));
    await opened.registrations.settled(soon());
    await etcd.kill();
    await until('it is noticed', () => opened.count('failed') > 0);
    opened.registrations.publish(map({ a: '2' }));
    await etcd.start();
    await opened.registrations.settled(soon());
    expect(await etcd.read('/clusterf/')).toEqual({ '/clusterf/a': '2' });
    expect(opened.count('lease granted')).toBe(1);
  });

  test('a compaction, with and without an outage after it, is no trouble', async () => {
    await using etcd = await startEtcd();
    await using opened = open(etcd.host, '/clusterf', { ttl: 20_000, verify: 60_000 });
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    for (const outage of [false, true]) {
      await etcd.put('/other', '1');
      await etcd.compact();
      if (outage) await etcd.restart();
      await etcd.remove('/clusterf/a');
      await until('a is back', async () => (await etcd.read('/clusterf/'))['/clusterf/a'] === '1');
    }
    expect(opened.count('lease granted')).toBe(1);
  });

  test('a restart from nothing has everything put again', async () => {
    await using etcd = await startEtcd();
    await using opened = open(etcd.host, '/clusterf');
    opened.registrations.publish(map({ a: '1', b: '1' }));
    await opened.registrations.settled(soon());
    await etcd.restartEmpty();
    await until('all is there', async () => Object.keys(await etcd.read('/clusterf/')).length === 2);
    expect(opened.count('lease lost')).toBe(1);
  });

  test('a restart from an older copy of its data has the difference put again', async () => {
    await using etcd = await startEtcd();
    await using opened = open(etcd.host, '/clusterf', { ttl: 20_000 });
    const { registrations } = opened;
    registrations.publish(map({ a: '1', b: '1' }));
    await registrations.settled(soon());
    const restore = await etcd.backup();
    registrations.publish(map({ a: '2', c: '1' }));
    await registrations.settled(soon());
    await restore();
    await until('all is as published', async () => {
      const found = await etcd.read('/clusterf/');
      return found['/clusterf/a'] === '2' && found['/clusterf/c'] === '1';
    });
  });

  test('an etcd away for longer than the TTL is taken up again', async () => {
    await using etcd = await startEtcd();
    await using opened = open(etcd.host, '/clusterf', { ttl: 1000 });
    opened.registrations.publish(map({ a: '1' }));
    await opened.registrations.settled(soon());
    etcd.freeze();
    const frozen = performance.now();
    await until('the TTL is long past', () => performance.now() - frozen > 3000);
    expect(opened.registrations.state.lastError).toBeDefined();
    opened.registrations.publish(map({ a: '2' }));
    etcd.thaw();
    await opened.registrations.settled(soon());
    await until('a stays', async () => (await etcd.read('/clusterf/'))['/clusterf/a'] === '2');
    await etcd.stop();
    opened.registrations.publish(map({ a: '3' }));
    const stopped = performance.now();
    await until('the TTL is long past', () => performance.now() - stopped > 3000);
    await etcd.start();
    await opened.registrations.settled(soon());
    expect(await etcd.read('/clusterf/')).toEqual({ '/clusterf/a': '3' });
  });
});
