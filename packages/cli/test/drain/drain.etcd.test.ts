/** `clusterf drain` and `clusterf undrain` as an operator types them, on a real etcd. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { clusterf } from '../clusterf.js';

const PREFIX = '/clusterf/';
const TREE = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80, host: 'docker1', container: 'web1' },
  'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 80, host: 'docker2' },
  'balancers/lb1/status': { vipInterface: 'vip', onlyHost: null, drained: [] },
  'balancers/lb2/status': { vipInterface: 'vip', onlyHost: null, drained: [] },
};
const HOST = 'drain/hosts/docker1';

let etcd: EtcdProcess;
let source: string[];

async function put(entries: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, value] of Object.entries(entries)) await etcd.put(PREFIX + key, JSON.stringify(value));
}

/** What is drained, as the tree has it. */
async function drains(): Promise<Record<string, unknown>> {
  const entries = Object.entries(await etcd.read(`${PREFIX}drain/`));
  return Object.fromEntries(entries.map(([key, text]) => [key.slice(PREFIX.length), JSON.parse(text)]));
}

const drain = async (...args: string[]) => await clusterf(['drain', ...args, ...source]);
const undrain = async (...args: string[]) => await clusterf(['undrain', ...args, ...source]);

beforeAll(async () => {
  etcd = await startEtcd();
  source = ['--config-source', `etcd://${etcd.host}/clusterf`];
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});
beforeEach(async () => {
  for (const key of Object.keys(await etcd.read(PREFIX))) await etcd.remove(key);
  await put(TREE);
});

test('a host is drained with reason and time, listed, and undrained; each twice does no more than once', async () => {
  expect(await drain()).toEqual({ code: 0, stdout: '', stderr: 'nothing is drained\n' });
  const done = await drain('docker1', '--reason', 'kernel update');
  expect(done).toEqual({
    code: 0,
    stdout: 'host docker1 is drained: its one backend takes no new connections\n',
    stderr: '',
  });
  const first = await drains();
  expect(first).toEqual({ [HOST]: { reason: 'kernel update', since: expect.stringMatching(/^20\d\d-.*Z$/) } });

  const again = await drain('host', 'docker1');
  expect(again.stdout).toMatch(/^host docker1 was drained already since 20.* \(kernel update\)\n$/);
  expect(await drains()).toEqual(first);
  await drain('host', 'docker1', '--reason', 'disk');
  expect(await drains()).toEqual({ [HOST]: { ...Object(first[HOST]), reason: 'disk' } });

  const list = await drain('-o', 'json');
  expect(JSON.parse(list.stdout)).toMatchObject([{ kind: 'host', name: 'docker1', reason: 'disk', backends: 1 }]);
  expect((await drain()).stdout).toMatch(
    /^KIND +NAME +SINCE +BACKENDS +CONNECTIONS +REASON\nhost +docker1 +20.* 1 +- +disk\n$/,
  );

  expect(await undrain('docker1')).toEqual({ code: 0, stdout: 'host docker1 is no longer drained\n', stderr: '' });
  expect(await drains()).toEqual({});
  expect(await undrain('docker1')).toEqual({ code: 0, stdout: 'host docker1 is not drained\n', stderr: '' });
});

test('a backend by its container’s name, and a balancer', async () => {
  await drain('web/web1');
  await drain('lb1');
  expect(Object.keys(await drains())).toEqual(['drain/backends/web/a', 'drain/balancers/lb1']);
  await drain('host', 'docker1');
  expect((await undrain('web/web1')).stdout).toBe('backend web/a is no longer drained; still drained: host docker1\n');
  expect((await undrain('balancer', 'lb1')).code).toBe(0);
  expect(Object.keys(await drains())).toEqual([HOST]);
});

test('what would leave a service with nothing is refused, says which, and is done with --force', async () => {
  await drain('docker1');
  expect(await drain('docker2')).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'clusterf drain: host docker2 is not drained: nothing else takes connections for web (tcp 10.0.0.1:80): ' +
      'new ones would be refused. --force drains it all the same\n',
  });
  expect(Object.keys(await drains())).toEqual([HOST]);
  expect((await drain('docker2', '--force')).code).toBe(0);
  expect(Object.keys(await drains())).toEqual([HOST, 'drain/hosts/docker2']);
});

test('of two that together would leave a service with nothing, drained at once, at most one is', async () => {
  const done = await Promise.all([drain('docker1'), drain('docker2')]);
  const refused = done.filter(({ code }) => code === 1);
  expect(refused.length).toBeGreaterThanOrEqual(1);
  for (const { stderr } of refused) expect(stderr).toContain('nothing else takes connections for web');
  expect(Object.keys(await drains())).toHaveLength(2 - refused.length);
});

test.each([
  [['host', 'docker9'], 1, 'no host "docker9" in this tree; there are docker1, docker2'],
  [['docker9'], 1, '"docker9" is no host, backend'],
  [['host'], 2, 'the name of the host is missing'],
  [['--reason', 'x'], 2, 'what is to be drained?'],
  [['docker1', '--config-source', 'memory:'], 2, '--config-source'],
])('%j is refused: exit code %i', async (args, code, message) => {
  const refused = await drain(...args);
  expect(refused).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
  expect(await drains()).toEqual({});
});

test('a name that two things have is refused, and the choices are listed', async () => {
  await put({ 'balancers/docker1/status': {} });
  const { code, stderr } = await drain('docker1');
  expect(code).toBe(2);
  expect(stderr).toContain('clusterf drain host docker1 (');
  expect(stderr).toContain('clusterf drain balancer docker1 (');
});

test('fields that somebody else wrote are kept, and a value that cannot be read is replaced with a reason', async () => {
  await put({ [HOST]: { ticket: 7 } });
  await drain('docker1', '--reason', 'disk');
  expect(await drains()).toEqual({ [HOST]: { reason: 'disk', since: expect.any(String), ticket: 7 } });
  await etcd.put(PREFIX + HOST, 'reboot');
  expect((await drain('docker1')).stdout).toBe('host docker1 was drained already\n');
  await drain('docker1', '--reason', 'disk');
  expect(await drains()).toEqual({ [HOST]: { reason: 'disk', since: expect.any(String) } });
});

/** The status of a balancer that has taken in what is drained now, and has so many connections to it. */
async function counting(activeConnections: number) {
  const { [HOST]: entry } = await drains();
  const { since } = Object(entry);
  const drained = [{ kind: 'host', name: 'docker1', since, destinations: 1, shared: 0, activeConnections }];
  return { ...TREE['balancers/lb1/status'], drained };
}

test('--wait ends when every balancer counts none, says what it waits for, and fails when its time is up', async () => {
  const early = await drain('docker1', '--wait', '0');
  expect(early.code).toBe(1);
  expect(early.stderr).toContain('waiting: lb1 has not heard of it yet, lb2 has not heard of it yet\n');
  await put({ 'balancers/lb1/status': await counting(2), 'balancers/lb2/status': await counting(0) });
  const late = await drain('docker1', '--wait', '1s');
  expect(late.code).toBe(1);
  expect(late.stderr).toContain('waiting: lb1: 2 active connections\n');
  expect(late.stderr).toContain('not done after 1s: lb1: 2 active connections. host docker1 stays drained');
  expect(Object.keys(await drains())).toEqual([HOST]);
  await put({ 'balancers/lb1/status': await counting(0) });
  expect(await drain('docker1', '--wait', '10s')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/no active connection is left\n$/),
  });
});

test('--wait where nobody tells says so at once', async () => {
  for (const name of ['lb1', 'lb2']) await etcd.remove(`${PREFIX}balancers/${name}/status`);
  const { code, stderr } = await drain('docker1', '--wait', '1h');
  expect(code).toBe(1);
  expect(stderr).toContain('cannot wait: no balancer shows its status in this tree');
  expect(stderr).toContain('host docker1 is drained all the same');
});

test('an etcd that does not answer is exit code 1', async () => {
  const { code, stderr } = await clusterf(['drain', 'docker1', '--config-source', 'etcd://127.0.0.1:1/clusterf']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^clusterf drain: etcd 127\.0\.0\.1:1 does not answer/);
});

test('a tree of files is drained too', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-drain-'));
  try {
    for (const [key, value] of Object.entries(TREE)) {
      await mkdir(dirname(join(directory, key)), { recursive: true });
      await writeFile(join(directory, key), JSON.stringify(value));
    }
    const files = ['--config-source', `file://${directory}`];
    expect((await clusterf(['drain', 'docker1', ...files])).code).toBe(0);
    expect(JSON.parse(await readFile(join(directory, HOST), 'utf8'))).toEqual({ since: expect.any(String) });
    expect((await clusterf(['undrain', 'docker1', ...files])).code).toBe(0);
    await expect(readFile(join(directory, HOST))).rejects.toThrow('ENOENT');
  } finally {
    await rm(directory, { recursive: true });
  }
});
