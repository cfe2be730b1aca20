import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Authority, makeAuthority } from '../../../test/fixtures/certificates.js';
import { readLogin, readTlsCredentials } from '../src/etcd-credentials.js';

const NOBODY = 65_534;

let directory: string;
let authority: Authority;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-credentials-'));
  await chmod(directory, 0o755);
  authority = await makeAuthority(directory);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** Root may read everything: does it as somebody else. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

test('whom a file is kept from is told who may not read it', async () => {
  const path = join(directory, 'kept');
  await writeFile(path, 'secret');
  await chmod(path, 0);
  await asNobody(async () => {
    const who = `this process (user ${process.geteuid?.()}, group ${process.getegid?.()}) may not read it`;
    await expect(readTlsCredentials({ ca: path })).rejects.toThrow(`--etcd-ca ${path}: ${who}`);
    await expect(readLogin({ user: 'u', passwordFile: path })).rejects.toThrow(`--etcd-password-file ${path}: ${who}`);
  });
});

test.each([
  ['secret\n', 'secret'],
  ['secret\r\n', 'secret'],
  ['two words ', 'two words '],
  ['a\nb\n', 'a\nb'],
])('a password file with %j holds %j', async (content, password) => {
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, content);
  expect(await readLogin({ user: 'u', passwordFile })).toEqual({ user: 'u', password });
});

test('an empty password file is no password', async () => {
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, '\n');
  await expect(readLogin({ user: 'u', passwordFile })).rejects.toThrow(
    `--etcd-password-file ${passwordFile}: the file is empty`,
  );
});

test('a client certificate says whom it names and how long it lasts', async () => {
  const pair = await authority.issue('clusterf-ipvs-lb1', { use: 'clientAuth', days: 2 });
  const { commonName, certificateEnds } = await readTlsCredentials(pair);
  expect(commonName).toBe('clusterf-ipvs-lb1');
  expect(Math.round(((certificateEnds?.getTime() ?? 0) - Date.now()) / 86_400_000)).toBe(2);
});
