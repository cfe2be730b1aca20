import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { clusterf } from './clusterf.js';
import { etcdSite, KINDS, openSite } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const FRONTEND = 'services/web/frontend';

describe.each(KINDS)('a tree in %s', (kind) => {
  test('has afterwards what was set, in its one way to be written', async () => {
    await using site = await openSite(kind, etcd);
    const set = async (...args: readonly string[]) => await clusterf(['set', '--config-source', site.url, ...args]);
    expect(await set(FRONTEND, 'ipv4=10.0.0.1', 'tcp=80')).toEqual({
      code: 0,
      stdout: `created ${FRONTEND}\n`,
      stderr: '',
    });
    expect(await site.read()).toEqual({ [FRONTEND]: '{"ipv4":"10.0.0.1","tcp":80}' });
    expect((await set(FRONTEND, 'TCP=81', 'scheduler=sh')).stdout).toBe(
      `changed ${FRONTEND}: tcp 80 → 81, scheduler none → "sh"\n`,
    );
    expect((await set(FRONTEND, 'scheduler=')).stdout).toBe(`changed ${FRONTEND}: scheduler "sh" → none\n`);
    expect((await set(FRONTEND, '{"tcp": 81, "ipv4": "10.0.0.1"}')).stdout).toBe(`unchanged ${FRONTEND}\n`);
    expect((await set('routes/my lan 🦊', 'Prefix: 10.0.0.0/8\nIPVSMethod: droute')).stdout).toBe(
      'created routes/my lan 🦊\n',
    );
    expect(await site.read()).toEqual({
      [FRONTEND]: '{"ipv4":"10.0.0.1","tcp":81}',
      'routes/my lan 🦊': '{"Prefix":"10.0.0.0/8","IPVSMethod":"droute"}',
    });
  });

  test('takes a value from standard input', async () => {
    await using site = await openSite(kind, etcd);
    const input = '# the shop\nipv4: 10.0.0.1\ntcp: 80\n';
    expect(await clusterf(['set', '--config-source', site.url, FRONTEND, '-'], { input })).toMatchObject({ code: 0 });
    expect(await site.read()).toEqual({ [FRONTEND]: '{"ipv4":"10.0.0.1","tcp":80}' });
  });

  test.each([
    [
      'a bad port',
      [FRONTEND, 'tcp=99999'],
      'error: services/web/frontend: tcp is 99999; expected a port, a whole number from 1 to 65535',
    ],
    [
      'a field nobody knows',
      [FRONTEND, 'ipv4=10.0.0.1', 'tcp=80', 'tpc=81'],
      'error: services/web/frontend: unknown field "tpc"',
    ],
    ['a key that is not read', ['services/web/front', '{}'], 'error: services/web/front: not a key that is read'],
    ['no object', [FRONTEND, '5'], 'error: services/web/frontend: the value is "5"; expected a JSON object'],
    [
      'the address of another service',
      [FRONTEND, 'ipv4=10.9.9.9', 'tcp=443'],
      "is already service taken's: not published",
    ],
    ['nothing to publish', [FRONTEND, '{}'], 'publishes nothing: expected an address'],
  ])('%s is refused, and written with --force', async (_, args, complaint) => {
    await using site = await openSite(kind, etcd);
    await site.put('services/taken/frontend', '{"ipv4":"10.9.9.9","tcp":443}');
    const refused = await clusterf(['set', '--config-source', site.url, ...args]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(complaint);
    expect(refused.stderr).toMatch(/clusterf set: nothing was written; --force writes it all the same\n$/);
    expect(Object.keys(await site.read())).toEqual(['services/taken/frontend']);
    const forced = await clusterf(['set', '--force', '--config-source', site.url, ...args]);
    expect(forced).toMatchObject({ code: 0, stdout: `created ${args[0]}\n` });
    expect(Object.keys(await site.read())).toContain(args[0]);
  });

  test.each([
    ['a path that leads out', ['../outside', '{}'], 2, /the name ".." would mean a directory/],
    ['the whole tree', ['/', '{}'], 2, /is the whole tree; expected one entry's/],
    ['no value', [FRONTEND], 2, /expected PATH and a value, or fields/],
    ['two values', [FRONTEND, '{}', '{}'], 2, /one value was expected/],
    ['a value among fields', [FRONTEND, 'tcp=80', '{}'], 2, /one value was expected/],
    ['what is neither JSON nor YAML', [FRONTEND, '{"tcp": 80'], 1, /neither JSON nor YAML: .*line 1/],
    ['two documents', [FRONTEND, '{}\n---\n{}'], 1, /has 2 documents; expected one/],
    ['an infinite number', [FRONTEND, 'tcp: .inf'], 1, /a number that is none in JSON/],
    ['an unknown option', [FRONTEND, '{}', '--forse'], 2, /unknown option --forse/],
  ])('%s is refused even with --force', async (_, args, code, complaint) => {
    await using site = await openSite(kind, etcd);
    const refused = await clusterf(['set', '--force', '--config-source', site.url, ...args]);
    expect(refused).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(complaint) });
    expect(await site.read()).toEqual({});
  });

  test('with --dry-run stays as it is', async () => {
    await using site = await openSite(kind, etcd);
    const { stdout } = await clusterf(['set', '--dry-run', '--config-source', site.url, 'sync', 'interface=eth0']);
    expect(stdout).toBe('created sync (dry run)\n');
    expect(await site.read()).toEqual({});
  });

  test('takes a value of a megabyte, and says of a greater one what is taken', async () => {
    await using site = await openSite(kind, etcd);
    const set = async (length: number) =>
      await clusterf(['set', '--force', '--config-source', site.url, 'routes/a', '-'], {
        input: JSON.stringify({ x: 'x'.repeat(length) }),
      });
    expect(await set(1_000_000)).toMatchObject({ code: 0, stdout: 'created routes/a\n' });
    expect((await site.read())['routes/a']).toHaveLength(1_000_008);
    const { code, stderr } = await set(3_000_000);
    expect(code).toBe(1);
    expect(stderr).toMatch(/expected at most 1048576|by default 1\.5 MiB/);
    expect((await site.read())['routes/a']).toHaveLength(1_000_008);
  });
});

test('what an agent keeps is not overwritten unless forced, and then stays on its lease', async () => {
  await using site = etcdSite(etcd);
  await etcd.call('lease/grant', { TTL: '60', ID: '77' });
  const path = 'services/web/backends/a';
  await etcd.put(`${site.prefix}/${path}`, '{"ipv4":"172.17.0.2","tcp":80,"weight":10}', '77');
  const refused = await clusterf(['set', '--config-source', site.url, path, 'weight=0']);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is kept by an agent, which puts it back'),
  });
  expect(await clusterf(['set', '--force', '--config-source', site.url, path, 'weight=0'])).toMatchObject({ code: 0 });
  const raw = await clusterf(['get', '--raw', '-o', 'json', '--config-source', site.url]);
  expect(JSON.parse(raw.stdout)).toMatchObject([{ path, lease: '77', value: expect.stringContaining('"weight":0') }]);
});

test('nothing is written where a symbolic link leads out of the directory', async () => {
  await using site = await openSite('directory', etcd);
  const root = site.url.replace('file://', '');
  await using outside = await openSite('directory', etcd);
  await mkdir(join(root, 'services'));
  await symlink(outside.url.replace('file://', ''), join(root, 'services', 'web'));
  const refused = await clusterf(['set', '--force', '--config-source', site.url, FRONTEND, 'ipv4=10.0.0.1', 'tcp=80']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('leads out of') });
  expect(await outside.read()).toEqual({});
  expect(await readdir(join(root, 'services'))).toEqual(['web']);
});

test('etcd without space says what makes room', async () => {
  await using own = await startEtcd();
  await own.call('maintenance/alarm', { action: 'ACTIVATE', memberID: '1', alarm: 'NOSPACE' });
  const refused = await clusterf(['set', '--config-source', `etcd://${own.host}/full`, 'sync', 'interface=eth0']);
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/has used up its space.*etcdctl defrag/),
  });
});

test('etcd that asks who we are, and one that knows us and does not let us, say so', async () => {
  await using own = await startEtcd();
  for (const [path, body] of [
    ['auth/user/add', { name: 'root', password: 'secret' }],
    ['auth/user/add', { name: 'guest', password: 'secret' }],
    ['auth/role/add', { name: 'root' }],
    ['auth/role/add', { name: 'reader' }],
    [
      'auth/role/grant',
      { name: 'reader', perm: { permType: 'READ', key: 'L2NsdXN0ZXJmLw==', range_end: 'L2NsdXN0ZXJmMA==' } },
    ],
    ['auth/user/grant', { user: 'root', role: 'root' }],
    ['auth/user/grant', { user: 'guest', role: 'reader' }],
    ['auth/enable', {}],
  ] as const)
    await own.call(path, body);
  await using files = await openSite('directory', etcd);
  await files.put('password', 'secret\n');
  const set = async (...args: readonly string[]) =>
    await clusterf(['set', '--config-source', `etcd://${own.host}/clusterf`, 'sync', 'interface=eth0', ...args]);
  expect(await set()).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/wants to know who asks .*; expected --etcd-user and/),
  });
  const password = ['--etcd-password-file', join(files.url.replace('file://', ''), 'password')];
  const denied = await set('--etcd-user', 'guest', ...password);
  expect(denied).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/permission denied: user "guest" .* may not write \/clusterf\/sync/),
  });
  expect(await set('--etcd-user', 'root', ...password)).toMatchObject({ code: 0, stdout: 'created sync\n' });
  expect(await readFile(password[1] ?? '', 'utf8')).toBe('secret\n');
});
