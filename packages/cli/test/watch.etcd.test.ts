import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { clusterf, RunningCommand } from './clusterf.js';
import { etcdSite, KINDS, openSite } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

describe.each(KINDS)('a tree in %s', (kind) => {
  test('is told of, a line an event, until it is ended', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/web/frontend', '{"tcp":80}');
    await using watch = new RunningCommand(['watch', '--all', '--config-source', site.url]);
    await watch.prints(new RegExp(`^${TIME} put services/web/frontend {"tcp":80}\n$`));
    await site.put('services/my shop/frontend', '{"tcp":\n81}');
    await watch.prints(new RegExp(`\n${TIME} put services/my shop/frontend {"tcp":\\\\u000a81}\n$`));
    await clusterf(['rm', '--config-source', site.url, 'services/web/frontend']);
    await watch.prints(new RegExp(`\n${TIME} removed services/web/frontend\n$`));
    expect(await watch.end('SIGTERM')).toBe(0);
    expect(watch.errors).toBe('');
  });

  test('is told of as JSON, of one path only', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/web/frontend', '{"tcp":80}');
    await using watch = new RunningCommand([
      'watch',
      '--all',
      '-o',
      'json',
      '--config-source',
      site.url,
      'services/web',
    ]);
    await watch.prints(/\n$/);
    await site.put('services/web2/frontend', '{"tcp":80}');
    await site.put('services/web/frontend', '{"tcp":81}');
    await watch.prints(/"tcp":81\D.*\n$/);
    expect(
      watch.output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { time: expect.any(String), type: 'put', path: 'services/web/frontend', value: { tcp: 80 } },
      { time: expect.any(String), type: 'put', path: 'services/web/frontend', value: { tcp: 81 } },
    ]);
  });
});

test.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('%s ends it in order', async (signal) => {
  await using site = etcdSite(etcd);
  await site.put('sync', '{}');
  await using watch = new RunningCommand(['watch', '--all', '--config-source', site.url]);
  await watch.prints(/sync/);
  expect(await watch.end(signal)).toBe(0);
});

test('it ends when nobody reads it any more', async () => {
  await using site = etcdSite(etcd);
  await site.put('sync', '{}');
  await using watch = new RunningCommand(['watch', '--all', '--config-source', site.url]);
  await watch.prints(/sync/);
  watch.stopReading();
  const ended = watch.end();
  // It finds out when it writes, and what is written first the pipe may have taken before.
  let events = 0;
  const talking = setInterval(() => void site.put('sync', `{"i":${events++}}`), 20);
  expect(await ended).toBe(0);
  clearInterval(talking);
});

test('while etcd is away it waits, and then tells what has changed meanwhile', async () => {
  await using own = await startEtcd();
  await own.put('/away/routes/a', '{}');
  await own.put('/away/routes/b', '{}');
  await using watch = new RunningCommand(['watch', '--all', '--config-source', `etcd://${own.host}/away`]);
  await watch.prints(/routes\/b/);
  await own.stop();
  await watch.complains(/^clusterf watch: warning: etcd .*; waiting for it\n/);
  await own.start();
  await own.remove('/away/routes/a');
  await watch.prints(/removed routes\/a\n$/);
  expect(watch.output.match(/put/g)).toHaveLength(2);
  expect(watch.errors).toMatch(/it is back\n$/);
});

test('etcd that cannot be reached at the start is no tree to watch', async () => {
  const { code, stdout, stderr } = await clusterf(['watch', '--config-source', 'etcd://127.0.0.1:1/x']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^clusterf watch: etcd 127\.0\.0\.1:1.*ECONNREFUSED/);
});
