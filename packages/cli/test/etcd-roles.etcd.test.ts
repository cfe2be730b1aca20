/** What `clusterf etcd-roles` prints, run by sh against a real etcd: who may then do what, and who is refused what. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { etcdGateway } from '../../../test/fixtures/etcd-gateway.js';
import { projectRoot } from '../../../test/lab/index.js';
import { askForUsers, ROOT } from '../../store/test/users.js';
import { applyRoles, clusterf } from './roles.js';

const CAST = ['--host=docker1', '--host=docker2', '--balancer=lb1', '--balancer=lb2', '--service=web', '--routes'];
const USERS = ['clusterf-docker-docker1', 'clusterf-ipvs-lb1', 'clusterf-operator'];
const KEYS = [
  'services/web/backends/4c1f',
  'services/web/frontend',
  'services/db/backends/4c1f',
  'routes/docker1-lan-ipv4',
  'routes/docker2-lan-ipv4',
  'hosts/docker1/status',
  'hosts/docker2/status',
  'balancers/lb1/status',
  'balancers/lb2/status',
  'balancers/lb1/sync',
  'sync',
  'drain/hosts/docker1',
];

let etcd: EtcdProcess;
let directory: string;
beforeAll(async () => {
  etcd = await startEtcd();
  directory = await mkdtemp(join(tmpdir(), 'clusterf-roles-'));
  await applyRoles(etcd, directory, CAST);
  await askForUsers(etcd);
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** As somebody; what etcd says of it, undefined if it does it. */
async function attempt(user: string, path: string, body: object): Promise<string | undefined> {
  const gateway = etcdGateway([`http://${etcd.host}`]);
  gateway.login(user, (await readFile(join(directory, `${user}.password`), 'utf8')).trim());
  try {
    await gateway.call(path, body);
    return undefined;
  } catch (error) {
    return /"(?:error|message)":"(etcdserver: [^"]*)"/.exec(String(error))?.[1] ?? String(error);
  }
}

/** One of Docker host 1's, with its entry. */
async function leaseOfHost1(): Promise<string> {
  const { ID } = Object(await etcd.call('lease/grant', { TTL: 60 }));
  await etcd.put('/clusterf/hosts/docker1/status', '{}', ID);
  return ID;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const everything = { key: base64('/clusterf/'), range_end: base64('/clusterf0') };

test('the table in docs/security.md is what etcd makes of it', async () => {
  const rows: string[][] = [];
  for (const key of KEYS) {
    const cells = await Promise.all(
      USERS.map(
        async (user) => (await attempt(user, 'kv/put', { key: base64(`/clusterf/${key}`), value: '' })) ?? 'written',
      ),
    );
    rows.push([`\`${key}\``, ...cells.map((cell) => cell.replace('etcdserver: ', ''))]);
  }
  const reads = await Promise.all(USERS.map(async (user) => (await attempt(user, 'kv/range', everything)) ?? 'read'));
  rows.push(['everything below the prefix', ...reads]);
  const others = await Promise.all(
    USERS.map(async (user) => (await attempt(user, 'kv/range', { key: base64('/others') })) ?? 'read'),
  );
  rows.push(['anything else in etcd', ...others.map((cell) => cell.replace('etcdserver: ', ''))]);
  const header = ['key', ...USERS.map((user) => `\`${user}\``)];
  const table = [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  process.stdout.write(`${table}\n`);
  expect(await readFile(join(projectRoot(), 'docs', 'security.md'), 'utf8')).toContain(table);
});

describe('leases', () => {
  test('need no right of their own, but whoever revokes one has to be allowed to write what hangs on it', async () => {
    const ID = await leaseOfHost1();
    expect(await attempt('clusterf-docker-docker2', 'lease/revoke', { ID })).toBe('etcdserver: permission denied');
    expect(await etcd.read('/clusterf/hosts/docker1/')).toEqual({ '/clusterf/hosts/docker1/status': '{}' });
    expect(await attempt('clusterf-docker-docker1', 'lease/revoke', { ID })).toBeUndefined();
  });

  test('are renewed by whoever asks: etcd does not keep that apart', async () => {
    expect(await attempt('clusterf-docker-docker2', 'lease/keepalive', { ID: await leaseOfHost1() })).toBeUndefined();
  });
});

test('run again it changes nothing; with another service it adds what is missing', async () => {
  const args = [...CAST, '--service=db'];
  expect(await attempt('clusterf-docker-docker1', 'kv/put', { key: base64('/clusterf/services/db/backends/x') })).toBe(
    'etcdserver: permission denied',
  );
  const passwords = await readFile(join(directory, 'clusterf-operator.password'), 'utf8');
  await rm(join(directory, 'clusterf-operator.password'));
  expect(await applyRoles(etcd, directory, CAST, ROOT)).not.toMatch(/Error|exists/);
  await expect(stat(join(directory, 'clusterf-operator.password'))).rejects.toThrow('ENOENT');
  await writeFile(join(directory, 'clusterf-operator.password'), passwords);
  await applyRoles(etcd, directory, args, ROOT);
  expect(
    await attempt('clusterf-docker-docker1', 'kv/put', { key: base64('/clusterf/services/db/backends/x') }),
  ).toBeUndefined();
});

test('passwords are nobody else’s to read', async () => {
  expect((await stat(join(directory, 'clusterf-ipvs-lb1.password'))).mode & 0o777).toBe(0o600);
});

test('names that mean something to a shell are names all the same', async () => {
  const host = "it's $(touch x)";
  await applyRoles(etcd, directory, ['--host', host, '--prefix', '/a b', '--certificates'], ROOT);
  expect(await etcd.call('auth/user/get', { name: `a b-docker-${host}` })).toMatchObject({
    roles: ['a b-backends', `a b-host-${host}`, 'a b-read'],
  });
  await expect(stat(join(directory, 'x'))).rejects.toThrow('ENOENT');
});

test('as data', async () => {
  const answer: unknown = JSON.parse(await clusterf('etcd-roles', '--host', 'docker1', '-o', 'json'));
  expect(answer).toMatchObject({
    prefix: '/clusterf',
    users: [
      { name: 'clusterf-docker-docker1', roles: ['clusterf-read', 'clusterf-backends', 'clusterf-host-docker1'] },
      { name: 'clusterf-operator' },
    ],
  });
});

test.each([
  [['--host', 'a/b'], 2, '--host: "a/b" (on the command line) is not a name without / and control characters'],
  [['--config-source', 'file:///x'], 3, 'only etcd has roles'],
])('%j is refused', async (args, code, words) => {
  await expect(clusterf('etcd-roles', ...args)).rejects.toMatchObject({ code, stderr: expect.stringContaining(words) });
});
