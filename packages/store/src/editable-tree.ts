import type { LeaseTime } from './lease.js';
import type { Source } from './source.js';

/** One entry as it was read. */
export interface StoredEntry {
  /** As stored. */
  readonly value: string;
  /** etcd's mod revision, decimal; absent in a directory. */
  readonly revision?: string;
  /** Decimal: of the lease that the entry goes with, and that whoever registered it keeps alive. Absent = it stays. */
  readonly lease?: string;
}

/** By path relative to the tree's root, sorted. */
export type Reading = ReadonlyMap<string, StoredEntry>;

/** Values to put, by path; undefined = to be removed. */
export type TreeChanges = ReadonlyMap<string, string | undefined>;

/**
 * A tree for an operator's commands: read once, changed on what was read, and followed as any source. Unlike an
 * agent's source it does not try again: what cannot be done now fails, with words for a person, within a few seconds a
 * member of etcd.
 */
export interface EditableTree extends Source, Disposable {
  /**
   * Everything at one moment.
   *
   * @param path only the entry here and what is below it; by default all
   * @throws {UnavailableError} if nobody answers, or there is no such directory
   * @throws {RefusedError} if it may not be read
   */
  read(path?: string): Promise<Reading>;

  /**
   * What is left of leases now, as etcd's own clock counts it. Those that are gone are not in it.
   *
   * @param leases as {@link StoredEntry} has them
   * @throws as {@link read}
   */
  leaseTimes(leases: Iterable<string>): Promise<ReadonlyMap<string, LeaseTime>>;

  /**
   * Puts and removes, in one transaction: all of it or nothing, and only while each entry is as the reading has it, or
   * as absent. What is on a lease stays on it. In a directory each file is replaced whole, one after the other.
   *
   * @param changes at most {@link MAX_CHANGES}; {@link transactions} makes such portions of more
   * @throws {ConflictError} if somebody changed one of the entries since: nothing is written
   * @throws {RefusedError} if it may not be written, is too large, or leads out of the directory: nothing is written
   * @throws {NoSpaceError} if etcd is full: it takes removals only
   * @throws {UnavailableError} if nobody answers: whether it was written is then not known
   */
  write(changes: TreeChanges, reading: Reading): Promise<void>;
}

/** Somebody changed what was read before it could be written. Nothing was written: read again. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly code = 'ERR_CONFLICT';
  readonly paths: readonly string[];

  constructor(paths: readonly string[]) {
    const some = paths.slice(0, 3).join(', ') + (paths.length > 3 ? ` and ${paths.length - 3} more` : '');
    super(`somebody else has just changed ${some}; nothing was written: look at it and try again`);
    this.paths = paths;
  }
}

/** The tree's keeper does not do it, and would not if it were tried again. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code = 'ERR_REFUSED';
}

/** What one transaction takes: etcd's default for `--max-txn-ops`. */
export const MAX_CHANGES = 128;

/** etcd takes 1.5 MiB a request by default; one entry alone may be more and is etcd's to refuse. */
const MAX_BYTES = 1_048_576;

/** Changes of any number in portions that a transaction takes each, what is put before what is removed. */
export function* transactions(changes: TreeChanges): Generator<TreeChanges> {
  const puts = [...changes].filter(([, value]) => value !== undefined);
  const removals = [...changes].filter(([, value]) => value === undefined);
  let portion = new Map<string, string | undefined>();
  let bytes = 0;
  for (const [path, value] of [...puts, ...removals]) {
    const more = Buffer.byteLength(path) + Buffer.byteLength(value ?? '');
    if (portion.size === MAX_CHANGES || (portion.size > 0 && bytes + more > MAX_BYTES)) {
      yield portion;
      portion = new Map();
      bytes = 0;
    }
    portion.set(path, value);
    bytes += more;
  }
  if (portion.size > 0) {
    yield portion;
  }
}

/** @throws {RefusedError} if these are more than one transaction takes */
export function refuseTooMany({ size }: TreeChanges): void {
  if (size > MAX_CHANGES) {
    throw new RefusedError(`${size} changes are too many for one transaction, which takes ${MAX_CHANGES}`);
  }
}
