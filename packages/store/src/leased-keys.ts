import type { IRequestOp, KVClient } from 'etcd3';
import { isLeaseUnknown, LeaseLostError } from './lease.js';

/** etcd takes 128 operations a transaction and 1.5 MiB a request; an operation within one counts for itself. */
const MAX_OPERATIONS = 120;
const MAX_BYTES = 512 * 1024;

/** A key of ours: what was put, and the revision that did. */
export interface LeasedKey {
  /** Undefined: a put whose outcome is not known yet. */
  readonly value?: string;
  readonly revision?: number;
}

export type Changes = ReadonlyMap<string, string | undefined>;

/** What leads from the keys written to those desired, puts first, as much as one transaction takes. */
export function nextChanges(desired: ReadonlyMap<string, string>, written: ReadonlyMap<string, LeasedKey>): Changes {
  const changes = new Map<string, string | undefined>();
  let bytes = 0;
  for (const [path, value] of desired) {
    if (changes.size === MAX_OPERATIONS || bytes > MAX_BYTES) {
      return changes;
    }
    if (written.get(path)?.value !== value) {
      changes.set(path, value);
      bytes += path.length + value.length;
    }
  }
  for (const path of written.keys()) {
    if (changes.size === MAX_OPERATIONS) {
      return changes;
    }
    if (!desired.has(path)) {
      changes.set(path, undefined);
    }
  }
  return changes;
}

/**
 * Applies changes in one transaction. A key is removed only while it is on our lease: a newer run of the same
 * agent may have taken it over.
 *
 * @returns the revision
 * @throws {LeaseLostError}
 */
export async function writeChanges(kv: KVClient, prefix: string, lease: string, changes: Changes): Promise<number> {
  const success = [...changes].map(([path, value]): IRequestOp => {
    const key = Buffer.from(`${prefix}/${path}`);
    return value === undefined
      ? {
          request_txn: {
            compare: [{ key, target: 'Lease', result: 'Equal', lease }],
            success: [{ request_delete_range: { key } }],
          },
        }
      : { request_put: { key, value: Buffer.from(value), lease } };
  });
  try {
    const { header } = await kv.txn({ success });
    return Number(header.revision);
  } catch (error) {
    throw (await isLeaseUnknown(error)) ? new LeaseLostError(`lease ${lease} is gone`, { cause: error }) : error;
  }
}

/**
 * Which of our keys are not as we put them. Costs an answer of a few bytes where all is well.
 *
 * @returns the paths that somebody else removed or wrote
 */
export async function findForeignChanges(
  kv: KVClient,
  prefix: string,
  written: ReadonlyMap<string, LeasedKey>,
): Promise<readonly string[]> {
  const known = [...written].flatMap(([path, { revision }]) => (revision === undefined ? [] : [{ path, revision }]));
  const changed: string[] = [];
  for (let start = 0; start < known.length; start += MAX_OPERATIONS) {
    const keys = known
      .slice(start, start + MAX_OPERATIONS)
      .map(({ path, revision }) => ({ path, revision, key: Buffer.from(`${prefix}/${path}`) }));
    const { succeeded, responses } = await kv.txn({
      compare: keys.map(({ key, revision }) => ({ key, target: 'Mod', result: 'Equal', mod_revision: revision })),
      failure: keys.map(({ key }) => ({ request_range: { key, keys_only: true } })),
    });
    if (!succeeded) {
      const found = responses.map((response) => Number(response.response_range.kvs[0]?.mod_revision));
      changed.push(...keys.filter(({ revision }, index) => found[index] !== revision).map(({ path }) => path));
    }
  }
  return changed;
}
