import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { etcdConcerns } from '@clusterf/store';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-concerns-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function file(mode: number): Promise<string> {
  const path = join(directory, mode.toString(8));
  await writeFile(path, 'secret');
  await chmod(path, mode);
  return path;
}

test.each([
  ['etcd+http://h1,127.0.0.1,localhost:1,[::1]/x', 'h1:2379'],
  ['etcd+http://h1,h2/x', 'h1:2379, h2:2379'],
])('a password in plain HTTP to %s is overheard on the way to %s', async (url, hosts) => {
  expect(await etcdConcerns(['file:///x', url], { user: 'u', passwordFile: await file(0o600) })).toEqual([
    `the password of --etcd-user u crosses the network unencrypted, to ${hosts}; use etcd+https:// or --etcd-scheme https`,
  ]);
});

test.each(['etcd+https://h1/x', 'etcd+http://localhost/x', 'etcd:', 'file:///x'])(
  'a password for %s is not overheard',
  async (url) => {
    expect(await etcdConcerns([url], { user: 'u', passwordFile: await file(0o640) })).toEqual([]);
  },
);

test('files that everybody may read are named, with what to do', async () => {
  const [passwordFile, key] = [await file(0o644), await file(0o664)];
  expect(await etcdConcerns(['etcd+https://h1/x'], { user: 'u', passwordFile, cert: 'c', key })).toEqual([
    `--etcd-password-file ${passwordFile} may be read by everybody on this machine (mode 644); chmod 600 it`,
    `--etcd-key ${key} may be read by everybody on this machine (mode 664); chmod 600 it`,
  ]);
});

test('a file that is not there is for later', async () => {
  expect(await etcdConcerns(['etcd:'], { user: 'u', passwordFile: join(directory, 'missing') })).toEqual([]);
});
