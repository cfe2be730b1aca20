/** Writing to etcd as fast as it takes it: by gRPC, many keys to a transaction. */
import { Etcd3 } from 'etcd3';
import type { EtcdProcess } from '../fixtures/etcd.js';

/** What etcd allows unless told otherwise. */
const OPERATIONS = 128;

export const PREFIX = '/clusterf';

export function openEtcd(etcd: EtcdProcess): Etcd3 {
  return new Etcd3({ hosts: `http://${etcd.host}` });
}

/** By path below the prefix; undefined removes. */
export async function write(client: Etcd3, entries: Iterable<readonly [string, string | undefined]>): Promise<void> {
  const all = [...entries];
  for (let start = 0; start < all.length; start += OPERATIONS) {
    const success = all.slice(start, start + OPERATIONS).map(([path, value]) => {
      const key = Buffer.from(`${PREFIX}/${path}`);
      return value === undefined
        ? { request_delete_range: { key } }
        : { request_put: { key, value: Buffer.from(value) } };
    });
    await client.kv.txn({ success });
  }
}

/** Makes the tree what is given, and etcd's history short. */
export async function replaceTree(client: Etcd3, entries: ReadonlyMap<string, string>): Promise<void> {
  await client.delete().prefix(`${PREFIX}/`);
  await write(client, entries);
  const { header } = await client.kv.range({ key: Buffer.from('\0') });
  await client.kv.compact({ revision: header.revision, physical: true });
}
