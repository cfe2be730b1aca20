import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdOptions } from '@clusterf/store';
import type { EtcdProcess } from '../../../test/fixtures/etcd.js';

export const ROOT = { name: 'root', password: 'root-password' };

/** One range of keys: `range: 'prefix'`, all that begin so. */
export interface Grant {
  readonly access: 'READ' | 'WRITE' | 'READWRITE';
  readonly key: string;
  readonly prefix?: boolean;
}

/** From here on etcd asks who asks; the fixture itself is root. */
export async function askForUsers(etcd: EtcdProcess): Promise<void> {
  await etcd.call('auth/user/add', ROOT);
  await etcd.call('auth/role/add', { name: 'root' });
  await etcd.call('auth/user/grant', { user: 'root', role: 'root' });
  await etcd.call('auth/enable', {});
  etcd.login(ROOT.name, ROOT.password);
}

/** A user with a role of the same name. @returns how to be them, with their password in a file of this directory */
export async function addUser(
  etcd: EtcdProcess,
  directory: string,
  name: string,
  grants: readonly Grant[],
  password = `password-of-${name}`,
): Promise<EtcdOptions & { readonly passwordFile: string }> {
  await etcd.call('auth/user/add', { name, password });
  await etcd.call('auth/role/add', { name });
  for (const each of grants) await grant(etcd, name, each);
  await etcd.call('auth/user/grant', { user: name, role: name });
  const passwordFile = join(directory, `${name}.password`);
  await writeFile(passwordFile, `${password}\n`);
  return { user: name, passwordFile };
}

export async function grant(etcd: EtcdProcess, role: string, { access, key, prefix = false }: Grant): Promise<void> {
  await etcd.call('auth/role/grant', { name: role, perm: { permType: access, ...range(key, prefix) } });
}

export async function revoke(etcd: EtcdProcess, role: string, key: string, prefix = false): Promise<void> {
  await etcd.call('auth/role/revoke', { role, ...range(key, prefix) });
}

function range(key: string, prefix: boolean): { readonly key: string; readonly range_end?: string } {
  const start = Buffer.from(key);
  if (!prefix) return { key: start.toString('base64') };
  const end = Buffer.from(start);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key: start.toString('base64'), range_end: end.toString('base64') };
}
