import type { ICompare, IRequestOp, IResponseOp, KVClient } from 'etcd3';
import { ClaimLostError } from './claim.js';
import { isLeaseUnknown, LeaseLostError } from './lease.js';

/** etcd has used up the space that it may use: until somebody makes room, it takes removals and nothing else. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError';
  readonly code = 'ERR_NO_SPACE';
}

/**
 * etcd takes 128 operations a transaction, less one for each level that transactions are nested in it, and 1.5 MiB
 * a request.
 */
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

/** What leads from the keys written to those desired, puts first, as much as one transaction takes. */
export function nextChanges(
  desired: ReadonlyMap<string, Wanted>,
  written: ReadonlyMap<string, LeasedKey>,
  held: ReadonlyMap<string, string>,
): Changes {
  const changes = new Map<string, Wanted | undefined>();
  let bytes = 0;
  for (const [path, wanted] of desired) {
    if (written.get(path)?.value === wanted.value || held.has(path)) {
      continue;
    }
    bytes += Buffer.byteLength(path) + Buffer.byteLength(wanted.value);
    if (changes.size === MAX_OPERATIONS || (bytes > MAX_BYTES && changes.size > 0)) {
      return changes;
    }
    changes.set(path, wanted);
  }
  for (const path of nextRemovals(desired, written).keys()) {
    if (changes.size === MAX_OPERATIONS) {
      return changes;
    }
    changes.set(path, undefined);
  }
  return changes;
}

/** Of what leads there the removals alone, as many as one transaction takes. */
export function nextRemovals(desired: ReadonlyMap<string, Wanted>, written: ReadonlyMap<string, LeasedKey>): Changes {
  const removed = [...written.keys()].filter((path) => !desired.has(path));
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
 * @throws {LeaseLostError}
 * @throws {ClaimLostError}
 * @throws {NoSpaceError}
 */
export async function writeChanges(kv: KVClient, standing: Standing, changes: Changes): Promise<Written> {
  const { prefix, lease, former } = standing;
  const success = [...changes].map(([path, wanted]): IRequestOp => {
    const key = Buffer.from(`${prefix}/${path}`);
    const ours = [lease, former].flatMap((id) => (id === undefined ? [] : [onLease(key, id)]));
    if (wanted === undefined) {
      return guarded(ours, { request_delete_range: { key } }, { request_range: { key, count_only: true } });
    }
    const put = { request_put: { key, value: Buffer.from(wanted.value), lease } };
    const absent: ICompare = { key, target: 'Create', result: 'Equal', create_revision: 0 };
    return wanted.shared ? guarded([...ours, absent], put, { request_range: { key } }) : put;
  });
  try {
    const { header, succeeded, responses } = await kv.txn({ compare: fence(standing), success });
    if (!succeeded) {
      throw new ClaimLostError('the claim is not ours any more');
    }
    const held = new Map<string, string>();
    for (const [index, [path, wanted]] of [...changes].entries()) {
      const theirs = wanted?.shared === true ? foundInstead(responses[index]) : undefined;
      if (theirs !== undefined) {
        held.set(path, theirs);
      }
    }
    return { revision: Number(header.revision), held };
  } catch (error) {
    if (error instanceof Error && error.message.includes(NO_SPACE)) {
      throw new NoSpaceError(error.message, { cause: error });
    }
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
  const keys = [...known].map(([path, revision]) => ({
    path,
    revision,
    key: Buffer.from(`${standing.prefix}/${path}`),
  }));
  const { claim } = standing;
  const { succeeded, responses } = await kv.txn({
    compare: [
      ...fence(standing),
      ...keys.map(({ key, revision }): ICompare => ({ key, target: 'Mod', result: 'Equal', mod_revision: revision })),
    ],
    failure: [...keys.map(({ key }) => key), ...(claim === undefined ? [] : [claim])].map((key) => ({
      request_range: { key, keys_only: true },
    })),
  });
  if (succeeded) {
    return [];
  }
  const found = responses.map(({ response_range }) => response_range.kvs[0]);
  if (claim !== undefined && found.at(-1)?.lease !== standing.lease) {
    throw new ClaimLostError('the claim is not ours any more');
  }
  return keys.filter(({ revision }, index) => Number(found[index]?.mod_revision) !== revision).map(({ path }) => path);
}

function fence({ claim, lease }: Standing): ICompare[] {
  return claim === undefined ? [] : [onLease(claim, lease)];
}

function onLease(key: Buffer, lease: string): ICompare {
  return { key, target: 'Lease', result: 'Equal', lease };
}

/** One operation if any of the conditions holds, else another: etcd itself only knows "if all of them hold". */
function guarded([first, ...others]: readonly ICompare[], then: IRequestOp, otherwise: IRequestOp): IRequestOp {
  return first === undefined
    ? otherwise
    : { request_txn: { compare: [first], success: [then], failure: [guarded(others, then, otherwise)] } };
}

/** The value that a guarded put found in its way; undefined if it was put. */
function foundInstead(response: IResponseOp | undefined): string | undefined {
  let innermost = response;
  while (innermost?.response_txn) {
    [innermost] = innermost.response_txn.responses;
  }
  return innermost?.response_range?.kvs[0]?.value.toString();
}
