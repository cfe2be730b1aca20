import type { IKeyValue, IRangeResponse, KVClient } from 'etcd3';

/**
 * Keys of the first page, and about how many bytes a later one may have: etcd builds a whole answer in memory, ours and
 * everybody else's at once. And it counts all keys of the range for every page, so small pages of a large tree cost
 * more than what they carry.
 */
const FIRST_PAGE = 500;
const LONGEST_PAGE = 5000;
const PAGE_BYTES = 2 * 1024 * 1024;

/** All keys under a prefix, as they were at one revision. */
export interface Tree {
  /** By path relative to the prefix. */
  readonly entries: Map<string, string>;
  readonly revision: number;
  /** How many keys etcd has below the prefix, those without a path too. */
  readonly count: number;
}

/** The keys that are below a prefix, as etcd's ranges go. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
  /** @returns undefined for a key that no path can name: not UTF-8 */
  path(key: Buffer): string | undefined;
}

/** @param prefix without a slash at its end */
export function keysBelow(prefix: string): KeyRange {
  const start = Buffer.from(`${prefix}/`);
  const end = Buffer.from(start);
  end.writeUInt8('/'.charCodeAt(0) + 1, end.length - 1);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return {
    key: start,
    range_end: end,
    path(key) {
      try {
        return decoder.decode(key.subarray(start.length));
      } catch {
        return undefined;
      }
    },
  };
}

/** Reads a tree, page by page at the revision of the first. */
export async function readTree(kv: KVClient, range: KeyRange): Promise<Tree> {
  const entries = new Map<string, string>();
  let count = 0;
  let revision = 0;
  for await (const page of pages(kv, range)) {
    revision ||= Number(page.header.revision);
    count += page.kvs.length;
    for (const { key, value } of page.kvs) {
      const path = range.path(key);
      if (path !== undefined) {
        entries.set(path, value.toString());
      }
    }
  }
  return { entries, revision, count };
}

/**
 * All keys of a range, page by page at one revision.
 *
 * @param at the revision, decimal; by default that of the first page
 */
export async function* pages(kv: KVClient, range: KeyRange, at?: string): AsyncGenerator<IRangeResponse> {
  let { key } = range;
  let revision = at;
  let limit = FIRST_PAGE;
  let count = 0;
  let bytes = 0;
  for (;;) {
    const page = await kv.range({
      key,
      range_end: range.range_end,
      limit,
      ...(revision === undefined ? {} : { revision }),
    });
    yield page;
    revision ??= page.header.revision;
    count += page.kvs.length;
    bytes += page.kvs.reduce((sum, each) => sum + each.key.length + each.value.length, 0);
    const last: IKeyValue | undefined = page.kvs.at(-1);
    if (!page.more || last === undefined) {
      return;
    }
    key = Buffer.concat([last.key, Buffer.of(0)]);
    limit = pageAfter(count, bytes);
  }
}

/** As many keys as make a page of the wanted size, if the next ones are like those read so far. */
function pageAfter(keys: number, bytes: number): number {
  return Math.max(1, Math.min(LONGEST_PAGE, Math.floor((PAGE_BYTES * keys) / Math.max(1, bytes))));
}
