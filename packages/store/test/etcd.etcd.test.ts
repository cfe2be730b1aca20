// oxlint-disable jest/expect-expect -- `sees` and `next` throw where what they wait for does not come
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { etcdSource, type EtcdSourceTiming, parseSourceUrl, type Source, type SourceEvent } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startGrpcProxy } from '../../../test/fixtures/grpc-proxy.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { until } from '../../../test/fixtures/until.js';
import { read as readWithin, type Reader } from './reader.js';

const fast: EtcdSourceTiming = { timeout: 1000, watchdog: 300, backoff: { first: 20, most: 200 } };

function source(hosts: string, prefix: string, timing = fast): Source {
  const location = parseSourceUrl(`etcd://${hosts}${prefix}`);
  if (location.type !== 'etcd') {
    throw new TypeError(location.type);
  }
  return etcdSource(location, {}, timing);
}

function read(from: Source): Reader {
  return readWithin(from, 30_000);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The types of events in their order; several reasons of one outage are one. */
function phases(events: readonly SourceEvent[]): string[] {
  return events.map(({ type }) => type).filter((type, i, types) => type !== 'unavailable' || types[i - 1] !== type);
}

describe('with an etcd that stays up', () => {
  let etcd: EtcdProcess;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('a tree is read, and then followed', async () => {
    await etcd.put('/list/services/web/frontend', '{"tcp":80}');
    await etcd.put('/list/routes/r', '');
    await etcd.put('/lister/x', 'a neighbour');
    await etcd.put('/list', 'the directory itself');
    await using reader = read(source(etcd.host, '/list'));
    await reader.sees({ 'services/web/frontend': '{"tcp":80}', 'routes/r': '' });
    await etcd.put('/list/services/web/frontend', '{"tcp":81}');
    await etcd.remove('/list/routes/r');
    await etcd.put('/lister/x', 'a busy neighbour');
    await etcd.put('/list/sync', '{}');
    await reader.sees({ 'services/web/frontend': '{"tcp":81}', sync: '{}' });
    expect(reader.events.findLastIndex(({ type }) => type !== 'changes')).toBe(0);
  });

  test('an empty tree is a snapshot without entries', async () => {
    await using reader = read(source(etcd.host, '/nothing-here'));
    await reader.sees({});
  });

  test('what one transaction does arrives as one event', async () => {
    await etcd.put('/txn/gone', '1');
    await using reader = read(source(etcd.host, '/txn'));
    await reader.next('snapshot');
    const put = (key: string) => ({ requestPut: { key: base64(key), value: base64('1') } });
    await etcd.call('kv/txn', {
      success: [put('/txn/a'), put('/txn/b'), { requestDeleteRange: { key: base64('/txn/gone') } }, put('/txn/c')],
    });
    await reader.sees({ a: '1', b: '1', c: '1' });
    expect(reader.events.length).toBe(2);
  });

  test('a tree larger than one page, and than a gRPC message of 4 MiB, is read whole', async () => {
    const value = 'x'.repeat(10_000);
    const expected: Record<string, string> = {};
    for (let start = 0; start < 1200; start += 100) {
      const names = Array.from({ length: 100 }, (_, i) => `k${String(start + i).padStart(5, '0')}`);
      await etcd.call('kv/txn', {
        success: names.map((name) => ({ requestPut: { key: base64(`/big/${name}`), value: base64(value) } })),
      });
      Object.assign(expected, Object.fromEntries(names.map((name) => [name, value])));
    }
    await using reader = read(source(etcd.host, '/big'));
    await reader.sees(expected);
    expect(reader.events.length).toBe(1);
  });

  test('a compaction of everything seen so far does not disturb a watch', async () => {
    await etcd.put('/compacted/a', '1');
    await using reader = read(source(etcd.host, '/compacted'));
    await reader.sees({ a: '1' });
    await etcd.compact();
    await etcd.put('/compacted/a', '2');
    await reader.sees({ a: '2' });
    expect(phases(reader.events)).toEqual(['snapshot', 'changes']);
  });

  test('after a compaction while away the tree is read again', async () => {
    await using proxy = await startProxy(etcd.port);
    await etcd.put('/away/a', '1');
    await etcd.put('/away/b', '1');
    await using reader = read(source(proxy.host, '/away'));
    await reader.sees({ a: '1', b: '1' });
    proxy.refuse();
    await reader.next('unavailable');
    await etcd.put('/away/a', '2');
    await etcd.remove('/away/b');
    await etcd.compact();
    proxy.pass();
    await reader.sees({ a: '2' });
    expect(phases(reader.events)).toEqual(['snapshot', 'unavailable', 'snapshot']);
  });

  test('a cut connection is made anew, and nothing that happened meanwhile is missed', async () => {
    await using proxy = await startProxy(etcd.port);
    await etcd.put('/cut/a', '1');
    await using reader = read(source(proxy.host, '/cut'));
    await reader.sees({ a: '1' });
    for (let i = 2; i < 7; i++) {
      proxy.cut();
      await etcd.put('/cut/a', String(i));
      await reader.sees({ a: String(i) });
    }
  });

  test('a black hole is found, and of its outage each reason is said once', async () => {
    await using proxy = await startProxy(etcd.port);
    await etcd.put('/hole/a', '1');
    await using reader = read(source(proxy.host, '/hole'));
    await reader.sees({ a: '1' });
    proxy.stall();
    const { error } = await reader.next('unavailable');
    expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE', message: expect.stringContaining(proxy.host) });
    await until('several attempts have failed', () => proxy.connections > 6);
    await etcd.put('/hole/a', '2');
    proxy.pass();
    await reader.sees({ a: '2' });
    const reasons = reader.events.flatMap((event) =>
      event.type === 'unavailable' ? [event.error.message.replaceAll(/[0-9.]+/g, '')] : [],
    );
    expect(reasons).toEqual([...new Set(reasons)]);
    expect(reader.events.filter(({ type }) => type === 'snapshot')).toHaveLength(2);
  });

  test('with one member of two out of reach the other is read, and nobody is alarmed', async () => {
    await using proxy = await startProxy(etcd.port);
    proxy.refuse();
    await etcd.put('/two/a', '1');
    await using reader = read(source(`${proxy.host},${etcd.host}`, '/two'));
    await reader.sees({ a: '1' });
    expect(phases(reader.events)).toEqual(['snapshot']);
  });

  test.each([
    ['a key that was put', () => etcd.put('/silent/new', '1'), { old: '1', new: '1' }],
    ['a key that was deleted', () => etcd.remove('/silent/old'), {}],
  ])('a watch that is silent about %s is found by its watchdog', async (_, change, expected) => {
    await using proxy = await startGrpcProxy(etcd.port);
    await etcd.remove('/silent/new');
    await etcd.put('/silent/old', '1');
    await using reader = read(source(proxy.host, '/silent'));
    await reader.sees({ old: '1' });
    // It works before, so that what is found after is the silence.
    await etcd.put('/silent/old', '2');
    await reader.sees({ old: '2' });
    await etcd.put('/silent/old', '1');
    await reader.sees({ old: '1' });
    proxy.silence('/etcdserverpb.Watch/');
    await change();
    const { error } = await reader.next('unavailable');
    expect(error.message).toContain('the watch is silent');
    proxy.speak();
    await reader.sees(expected);
  });

  test('a watch that has nothing to tell is left alone, however busy its neighbours are', async () => {
    await etcd.put('/quiet/a', '1');
    await using proxy = await startProxy(etcd.port);
    await using reader = read(source(proxy.host, '/quiet', { ...fast, watchdog: 20 }));
    await reader.sees({ a: '1' });
    for (let i = 0; i < 100; i++) {
      await etcd.put('/noise', String(i));
    }
    expect(reader.events.length).toBe(1);
  });

  test.each(['watching', 'cut off', 'in a black hole', 'refused'])(
    'aborting ends it promptly while %s',
    async (how) => {
      await using proxy = await startProxy(etcd.port);
      await etcd.put('/abort/a', '1');
      await using reader = read(source(proxy.host, '/abort', { timeout: 20_000, watchdog: 20_000 }));
      await reader.sees({ a: '1' });
      if (how === 'cut off') {
        proxy.refuse();
        await reader.next('unavailable');
      } else if (how === 'in a black hole') {
        proxy.stall();
      } else if (how === 'refused') {
        proxy.refuse();
      }
      expect(await reader.stop()).toBeLessThan(1000);
      // A stalled proxy does not look whether a client is still there.
      proxy.pass();
      await until('no connection is left', () => proxy.connections === 0, 2000);
    },
  );

  test('aborting before the first answer ends it promptly', async () => {
    await using proxy = await startProxy(etcd.port);
    proxy.stall();
    await using reader = read(source(proxy.host, '/abort', { timeout: 20_000 }));
    await until('it has connected', () => proxy.connections > 0);
    expect(await reader.stop()).toBeLessThan(1000);
    // A stalled proxy does not look whether a client is still there.
    proxy.pass();
    await until('no connection is left', () => proxy.connections === 0, 2000);
  });
});

describe('with an etcd of its own', () => {
  test('a restart on the same data is an outage and a snapshot', async () => {
    await using etcd = await startEtcd();
    await etcd.put('/clusterf/a', '1');
    await using reader = read(source(etcd.host, '/clusterf'));
    await reader.sees({ a: '1' });
    await etcd.kill();
    await reader.next('unavailable');
    await etcd.start();
    await reader.next('snapshot', 1);
    await etcd.put('/clusterf/a', '2');
    await reader.sees({ a: '2' });
  });

  test('a restart from nothing is followed from its new beginning', async () => {
    await using etcd = await startEtcd();
    for (let i = 0; i < 50; i++) {
      await etcd.put('/clusterf/a', String(i));
    }
    await using reader = read(source(etcd.host, '/clusterf'));
    await reader.sees({ a: '49' });
    await etcd.restartEmpty();
    await reader.sees({});
    await etcd.put('/clusterf/b', '1');
    await reader.sees({ b: '1' });
  });

  test('a restart from an older copy of its data is followed from there', async () => {
    await using etcd = await startEtcd();
    await etcd.put('/clusterf/a', 'old');
    const restore = await etcd.backup();
    for (let i = 0; i < 50; i++) {
      await etcd.put('/clusterf/a', String(i));
    }
    await using reader = read(source(etcd.host, '/clusterf'));
    await reader.sees({ a: '49' });
    await restore();
    await reader.sees({ a: 'old' });
    await etcd.put('/clusterf/a', 'new');
    await reader.sees({ a: 'new' });
  });

  test('an etcd that is not there yet is waited for', async () => {
    await using etcd = await startEtcd();
    await etcd.put('/clusterf/a', '1');
    await etcd.stop();
    await using reader = read(source(etcd.host, '/clusterf'));
    await reader.next('unavailable');
    await etcd.start();
    await reader.sees({ a: '1' });
    expect(phases(reader.events)).toEqual(['unavailable', 'snapshot']);
  });

  test('an etcd that freezes and thaws is read again', async () => {
    await using etcd = await startEtcd();
    await etcd.put('/clusterf/a', '1');
    await using reader = read(source(etcd.host, '/clusterf'));
    await reader.sees({ a: '1' });
    etcd.freeze();
    await reader.next('unavailable');
    etcd.thaw();
    await reader.next('snapshot', 1);
    await etcd.put('/clusterf/a', '2');
    await reader.sees({ a: '2' });
  });
});
