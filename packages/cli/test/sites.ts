import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { EtcdProcess } from '../../../test/fixtures/etcd.js';

/** A tree somewhere, and a way to it beside the commands that are tested. */
export interface Site extends AsyncDisposable {
  /** For `--config-source`. */
  readonly url: string;
  put(path: string, value: string): Promise<void>;
  /** Everything, by path. */
  read(): Promise<Record<string, string>>;
}

export const KINDS = ['etcd', 'directory'] as const;

let count = 0;

/** An empty tree. */
export async function openSite(kind: (typeof KINDS)[number], etcd: EtcdProcess): Promise<Site> {
  return kind === 'etcd' ? etcdSite(etcd) : await directorySite();
}

export function etcdSite(etcd: EtcdProcess): Site & { readonly prefix: string } {
  const prefix = `/site${count++}`;
  return {
    prefix,
    url: `etcd://${etcd.host}${prefix}`,
    put: async (path, value) => await etcd.put(`${prefix}/${path}`, value),
    read: async () =>
      Object.fromEntries(
        Object.entries(await etcd.read(`${prefix}/`)).map(([key, value]) => [key.slice(prefix.length + 1), value]),
      ),
    async [Symbol.asyncDispose]() {
      await etcd.call('kv/deleterange', range(`${prefix}/`));
    },
  };
}

async function directorySite(): Promise<Site> {
  const root = await mkdtemp(join(tmpdir(), 'clusterf-site-'));
  return {
    url: `file://${root}`,
    async put(path, value) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), value);
    },
    async read() {
      const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      const found = files.map((entry) => join(entry.parentPath, entry.name));
      return Object.fromEntries(
        await Promise.all(found.map(async (file) => [relative(root, file), await readFile(file, 'utf8')] as const)),
      );
    },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true });
    },
  };
}

function range(prefix: string) {
  return {
    key: Buffer.from(prefix).toString('base64'),
    range_end: Buffer.from(`${prefix}\u{10ffff}`).toString('base64'),
  };
}
