import type { ICompare, IKeyValue, IRequestOp, KVClient } from 'etcd3';
import { ClaimLostError } from './claim.js';
import { isLeaseUnknown, LeaseLostError } from './lease.js';

/** etcd has used up the space that it may use: until somebody makes room, it takes removals and nothing else. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError';
  readonly code = 'ERR_NO_SPACE';
}

/** etcd takes 128 operations a transaction and as many conditions, and 1.5 MiB a request. */
const MAX_OPERATIONS = 120;
const MAX_BYTES = 512 * 1024;

/** How etcd says it, `ErrGRPCNoSpace` in its api/v3rpc/rpctypes; the code of gRPC says it of too many requests too. */
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';

/** A key of ours: what was put, and the revision that did. */
export interface LeasedKey {
  /** Undefined: a put whose outcome is not known yet. */
  readonly value?: string;
  readonly revision?: number;
}

/** What is known of some keys; undefined, or missing, where they are not ours. */
export type KnownKeys = ReadonlyMap<string, LeasedKey | undefined>;

export interface Wanted {
  readonly value: string;
  /** To be put only where nobody else has put it. */
  readonly shared: boolean;
}

/** Undefined = to be removed. */
export type Changes = ReadonlyMap<string, Wanted | undefined>;

/** What our keys hang on, and what has to be so for us to touch them. */
export interface Standing {
  readonly prefix: string;
  readonly lease: string;
  /** Of the run before us, whose keys are ours too. */
  readonly former: string | undefined;
  /** A key that has to be on our lease. */
  readonly claim: Buffer | undefined;
}

/**
 * What leads from the keys written to those desired, puts first, as much as one transaction takes.
 *
 * @param leave keys that nothing can be done about now
 */
export function nextChanges(
  desired: ReadonlyMap<string, Wanted>,
  written: ReadonlyMap<string, LeasedKey>,
  leave: (path: string) => boolean,
): Changes {
  const changes = new Map<string, Wanted | undefined>();
  let bytes = 0;
  for (const [path, wanted] of desired) {
    if (written.get(path)?.value === wanted.value || leave(path)) {
      continue;
    }
    bytes += Buffer.byteLength(path) + Buffer.byteLength(wanted.value);
    if (changes.size === MAX_OPERATIONS || (bytes > MAX_BYTES && changes.size > 0)) {
      return changes;
    }
    changes.set(path, wanted);
  }
  for (const path of nextRemovals(desired, written, leave).keys()) {
    if (changes.size === MAX_OPERATIONS) {
      return changes;
    }
    changes.set(path, undefined);
  }
  return changes;
}

/** Of what leads there the removals alone, as many as one transaction takes. */
export function nextRemovals(
  desired: ReadonlyMap<string, Wanted>,
  written: ReadonlyMap<string, LeasedKey>,
  leave: (path: string) => boolean,
): Changes {
  const removed = [...written.keys()].filter((path) => !desired.has(path) && !leave(path));
  return new Map(removed.slice(0, MAX_OPERATIONS).map((path) => [path, undefined]));
}

/** As much of it at a time as one transaction takes. */
export function* portions<T>(all: ReadonlyMap<string, T>): Generator<ReadonlyMap<string, T>> {
  const entries = [...all];
  for (let start = 0; start < entries.length; start += MAX_OPERATIONS) {
    yield new Map(entries.slice(start, start + MAX_OPERATIONS));
  }
}

export interface Written {
  readonly revision: number;
  /** Of the shared ones those that somebody else holds, and their values. */
  readonly held: ReadonlyMap<string, string>;
}

/**
 * Applies changes in one transaction. A key is removed only while it is ours: a newer run of the same agent may
 * have taken it over, or somebody else have made it theirs.
 *
 * What is written on a condition is first expected to be as it is known. Where it is not, etcd says how it is, and that
 * is expected next. Transactions within transactions could ask at once, but not before 3.4.42, 3.5.28 and 3.6.9 does etcd
 * look whether their user may do what they do (CVE-2026-33343): no right was needed for a shared key, nor for a removal.
 *
 * @param known what was known of these keys before
 * @throws {LeaseLostError}
 * @throws {ClaimLostError}
 * @throws {NoSpaceError}
 */
export async function writeChanges(
  kv: KVClient,
  standing: Standing,
  changes: Changes,
  known: KnownKeys,
): Promise<Written> {
  /** By path the revision that put it last, 0 where there is nothing: what has to be so for it to be touched. */
  const expected = new Map<string, number>();
  for (const [path, wanted] of changes) {
    if (wanted?.shared !== false) expected.set(path, known.get(path)?.revision ?? 0);
  }
  /** By path the values of what is somebody else's. */
  const theirs = new Map<string, string>();
  try {
    for (;;) {
      const todo = new Map([...changes].filter(([path]) => !theirs.has(path)));
      const { revision, found } = await doIfAsKnown(kv, standing, expected, operations(standing, todo, expected));
      if (found === undefined) {
        return { revision, held: new Map([...theirs].filter(([path]) => changes.get(path) !== undefined)) };
      }
      for (const [path, entry] of found) {
        if (entry === undefined || entry.lease === standing.lease || entry.lease === standing.former) {
          expected.set(path, Number(entry?.mod_revision ?? 0));
        } else {
          expected.delete(path);
          theirs.set(path, entry.value.toString());
        }
      }
    }
  } catch (error) {
    if (error instanceof Error && error.message.includes(NO_SPACE)) {
      throw new NoSpaceError(error.message, { cause: error });
    }
    const { lease } = standing;
    throw (await isLeaseUnknown(error)) ? new LeaseLostError(`lease ${lease} is gone`, { cause: error }) : error;
  }
}

/**
 * Which of our keys are not as we put them. Costs an answer of a few bytes where all is well.
 *
 * @param known as many paths as one transaction takes, and the revisions that put them
 * @returns the paths that somebody else removed or wrote
 * @throws {ClaimLostError}
 */
export async function findForeignChanges(
  kv: KVClient,
  standing: Standing,
  known: ReadonlyMap<string, number>,
): Promise<readonly string[]> {
  const { found } = await doIfAsKnown(kv, standing, known, []);
  if (found === undefined) return [];
  return [...known]
    .filter(([path, revision]) => Number(found.get(path)?.mod_revision) !== revision)
    .map(([path]) => path);
}

interface Outcome {
  readonly revision: number;
  /** Undefined = it was done; else nothing was, and this is what there is. */
  readonly found: ReadonlyMap<string, IKeyValue | undefined> | undefined;
}

/**
 * Does all of it if every key is as known and the claim is ours, and nothing otherwise.
 *
 * @param known by path the revision that put it last, 0 where there is nothing
 * @throws {ClaimLostError}
 */
async function doIfAsKnown(
  kv: KVClient,
  { prefix, lease, claim }: Standing,
  known: ReadonlyMap<string, number>,
  success: IRequestOp[],
): Promise<Outcome> {
  const keys = [...known].map(([path, revision]) => ({ path, revision, key: keyOf(prefix, path) }));
  const { header, succeeded, responses } = await kv.txn({
    compare: [
      ...(claim === undefined ? [] : [onLease(claim, lease)]),
      ...keys.map(({ key, revision }): ICompare => ({ key, target: 'Mod', result: 'Equal', mod_revision: revision })),
    ],
    success,
    failure: [...keys.map(({ key }) => key), ...(claim === undefined ? [] : [claim])].map((key) => ({
      request_range: { key },
    })),
  });
  const revision = Number(header.revision);
  if (succeeded) return { revision, found: undefined };
  const found = responses.map(({ response_range }): IKeyValue | undefined => response_range.kvs[0]);
  if (claim !== undefined && found.at(-1)?.lease !== lease) {
    throw new ClaimLostError('the claim is not ours any more');
  }
  return { revision, found: new Map(keys.map(({ path }, index) => [path, found[index]])) };
}

function operations(
  { prefix, lease }: Standing,
  changes: Changes,
  expected: ReadonlyMap<string, number>,
): IRequestOp[] {
  return [...changes].flatMap(([path, wanted]): IRequestOp[] => {
    const key = keyOf(prefix, path);
    if (wanted !== undefined) return [{ request_put: { key, value: Buffer.from(wanted.value), lease } }];
    return expected.get(path) === 0 ? [] : [{ request_delete_range: { key } }];
  });
}

function keyOf(prefix: string, path: string): Buffer {
  return Buffer.from(`${prefix}/${path}`);
}

function onLease(key: Buffer, lease: string): ICompare {
  return { key, target: 'Lease', result: 'Equal', lease };
}
