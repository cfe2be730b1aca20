import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { listen } from '../../../test/fixtures/listen.js';
import { clusterf } from './clusterf.js';
import { etcdSite, KINDS, openSite, type Site } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const WEB = '{"ipv4":"10.107.107.107","tcp":80,"udp":53,"scheduler":"sh"}';
const BACKEND = '{"ipv4":"172.17.0.2","tcp":8080,"weight":10}';

async function fill(site: Site): Promise<void> {
  await site.put('services/web/frontend', WEB);
  await site.put('services/web/backends/a', BACKEND);
  await site.put('services/web/backends/b', '{"ipv4":"172.17.0.3","tcp":8080,"weight":0}');
  await site.put('services/my shop 🦊/frontend', '{"ipv6":"2001:db8::1","tcp":99999}');
  await site.put('services/idle/backends/x', BACKEND);
  await site.put('routes/lan', '{"Prefix":"10.0.0.0/8"}');
}

describe.each(KINDS)('a tree in %s', (kind) => {
  test('is summarised by service', async () => {
    await using site = await openSite(kind, etcd);
    await fill(site);
    const { code, stdout } = await clusterf(['get', '--config-source', site.url]);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['SERVICE', 'ADDRESS', 'PORTS', 'SCHEDULER', 'BACKENDS', 'PROBLEMS'],
      ['idle', 'not published', '-', '-', '1', '-'],
      ['my shop 🦊', 'not published', '-', '-', '0', '1 (clusterf validate)'],
      ['web', '10.107.107.107', 'tcp 80, udp 53', 'sh', '2 (1 of weight 0)', '-'],
      [''],
    ]);
  });

  test('is shown at a path, as it is stored and as data', async () => {
    await using site = await openSite(kind, etcd);
    await fill(site);
    const get = async (...args: readonly string[]) =>
      (await clusterf(['get', '--config-source', site.url, ...args])).stdout;
    expect(await get('services/web/backends')).toBe(
      [
        'PATH                     LEASE  VALUE',
        `services/web/backends/a  -      ${BACKEND}`,
        'services/web/backends/b  -      {"ipv4":"172.17.0.3","tcp":8080,"weight":0}',
        '',
      ].join('\n'),
    );
    expect(await get('/services/web/frontend/', '--raw')).toBe(`${WEB}\n`);
    expect(await get('routes', '--raw')).toBe('routes/lan\n{"Prefix":"10.0.0.0/8"}\n');
    expect(JSON.parse(await get('services/web/frontend', '-o', 'json'))).toEqual(JSON.parse(WEB));
    expect(await get('services/my shop 🦊', '--output=yaml')).toBe(
      'services:\n  my shop 🦊:\n    frontend:\n      ipv6: 2001:db8::1\n      tcp: 99999\n',
    );
    expect(JSON.parse(await get('-o', 'json')).routes).toEqual({ lan: { Prefix: '10.0.0.0/8' } });
  });

  test('where there is nothing, it says so and fails', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/web/frontend', WEB);
    const { code, stdout, stderr } = await clusterf(['get', '--config-source', site.url, 'services/we']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^clusterf get: nothing is at services\/we in (etcd\+http|file):\/\/.*\n$/);
  });

  test.each(['services/../../etc/passwd', 'a//b', 'a\u001b[31m/b'])('%j is refused as usage', async (path) => {
    await using site = await openSite(kind, etcd);
    const { code, stderr } = await clusterf(['get', '--config-source', site.url, path]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^clusterf get: path ".*": the name .*\nTry 'clusterf get --help'\.\n$/);
  });
});

test('what agents keep has its lease, and is left out of a backup', async () => {
  await using site = etcdSite(etcd);
  await site.put('services/web/frontend', WEB);
  const granted: unknown = await etcd.call('lease/grant', { TTL: '60', ID: '2748' });
  expect(granted).toMatchObject({ ID: '2748' });
  await etcd.put(`${site.prefix}/services/web/backends/a`, BACKEND, '2748');
  const source = ['--config-source', site.url];
  expect((await clusterf(['get', 'services/web/backends', ...source])).stdout).toContain(
    'services/web/backends/a  abc    {',
  );
  const raw: unknown = JSON.parse((await clusterf(['get', 'services', '--raw', '-o', 'json', ...source])).stdout);
  expect(raw).toEqual([
    { path: 'services/web/backends/a', value: BACKEND, revision: expect.stringMatching(/^\d+$/), lease: '2748' },
    { path: 'services/web/frontend', value: WEB, revision: expect.stringMatching(/^\d+$/) },
  ]);
  const backup = await clusterf(['get', '--without-leased', '-o', 'json', ...source]);
  expect(JSON.parse(backup.stdout)).toEqual({ services: { web: { frontend: JSON.parse(WEB) } } });
});

test('the source may come from the environment, and is one only', async () => {
  await using site = etcdSite(etcd);
  await site.put('sync', '{"interface":"eth0"}');
  const env = { CLUSTERF_CONFIG_SOURCE: site.url };
  expect((await clusterf(['get', 'sync', '--raw'], { env })).stdout).toBe('{"interface":"eth0"}\n');
  const two = await clusterf(['get', '--config-source', site.url, '--config-source', 'file:///tmp']);
  expect(two).toMatchObject({ code: 2, stderr: expect.stringContaining('are 2 trees; expected one') });
  expect(await clusterf(['get', '--config-source', 'http://x'])).toMatchObject({ code: 3 });
  expect(await clusterf(['get', 'a', 'b', '--config-source', site.url])).toMatchObject({ code: 2 });
});

test('etcd that refuses connections, or is silent, is named, and waited for no longer than it takes', async () => {
  const server = createServer((socket) => socket.resume());
  const silent = await listen(server);
  const began = performance.now();
  try {
    const [refusing, mute] = await Promise.all(
      ['127.0.0.1:1', `127.0.0.1:${silent}`].map(
        async (host) => await clusterf(['get', '--config-source', `etcd://${host}/x`]),
      ),
    );
    expect(refusing).toEqual({
      code: 1,
      stdout: '',
      stderr: 'clusterf get: etcd 127.0.0.1:1 does not answer (connect ECONNREFUSED)\n',
    });
    expect(mute).toMatchObject({
      code: 1,
      stderr: `clusterf get: etcd 127.0.0.1:${silent} does not answer (no answer in time)\n`,
    });
    expect(performance.now() - began).toBeLessThan(20_000);
  } finally {
    server.close();
  }
});

test('a directory that is not there is named', async () => {
  const { code, stderr } = await clusterf(['get', '--config-source', 'file:///nowhere/at/all']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^clusterf get: directory \/nowhere\/at\/all: ENOENT/);
});

test('help says what a PATH is, and what it exits with', async () => {
  const { code, stdout } = await clusterf(['get', '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('clusterf get [options] [PATH]');
  expect(stdout).toMatch(/Exits with 1 if\s+there is nothing\./);
});
