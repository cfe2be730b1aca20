/**
 * A claim: one key that says which run, of all that could, keeps the registrations under some name.
 *
 * It hangs on the run's lease, and since every run has a lease of its own, the lease is what tells runs apart: a
 * claim is ours while its key is on our lease, whatever it says. Every write of ours is a transaction that compares
 * this, so that a run that was taken for dead and comes back changes nothing any more.
 *
 * Whether a claim's holder lives, etcd knows best: a living one renews its lease every third of the TTL. No name of
 * a machine or number of a process is asked: they repeat where machines are cloned and in containers. Only of a process
 * that ran right here, on this very run of the kernel, it can be seen that it is dead.
 */
import type { ICompare, KVClient, LeaseClient } from 'etcd3';
import { isDenied } from './etcd-refusal.js';
import { isLeaseUnknown, leaseKeys, LeaseLostError, type LeaseTime, renewLease } from './lease.js';
import type { KeyRange } from './etcd-tree.js';
import { isDead } from './process-identity.js';

/** Keys read in one transaction; etcd takes 128. */
const MAX_READS = 120;

/** Another living run holds the claim. */
export class ClaimedError extends Error {
  override readonly name = 'ClaimedError';
  readonly code = 'ERR_CLAIMED';
}

/** Our claim is on another lease, or gone. */
export class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError';
  readonly code = 'ERR_CLAIM_LOST';
}

/** Who was found at the claim's key. */
export interface Holder {
  /** Decimal; 0 = none: nobody who lives, then. */
  readonly lease: string;
  readonly value: string;
  readonly revision: string;
}

export async function readClaim(kv: KVClient, key: Buffer): Promise<Holder | undefined> {
  const { kvs } = await kv.range({ key });
  return kvs.map((found) => ({
    lease: found.lease,
    value: found.value.toString(),
    revision: found.mod_revision,
  }))[0];
}

/**
 * Puts the claim under a lease, if it still is as it was found.
 *
 * @returns the revision, undefined if somebody was faster
 * @throws {LeaseLostError}
 */
export async function putClaim(
  kv: KVClient,
  key: Buffer,
  lease: string,
  value: string,
  found: Holder | undefined,
): Promise<number | undefined> {
  const unchanged: ICompare =
    found === undefined
      ? { key, target: 'Create', result: 'Equal', create_revision: 0 }
      : { key, target: 'Mod', result: 'Equal', mod_revision: found.revision };
  try {
    const { succeeded, header } = await kv.txn({
      compare: [unchanged],
      success: [{ request_put: { key, value: Buffer.from(value), lease } }],
    });
    return succeeded ? Number(header.revision) : undefined;
  } catch (error) {
    throw (await isLeaseUnknown(error)) ? new LeaseLostError(`lease ${lease} is gone`, { cause: error }) : error;
  }
}

/**
 * Whether a holder lives, from one look at its lease. A lease that has come down to less than a third of its time has
 * missed a renewal and all its repetitions; one that has not for as long as it lasts is being renewed. Of three seconds
 * the one that is left, rounded down, may still be the two of a lease that is about to be renewed.
 *
 * @param observed milliseconds since the first look at this lease
 */
export function judge({ granted, remaining }: LeaseTime, observed: number): 'gone' | 'living' | 'unclear' {
  if (remaining < granted / 3) {
    return 'gone';
  }
  return observed > (granted + 1) * 1000 ? 'living' : 'unclear';
}

/**
 * Reads what a former run left on its lease, and has it last for another TTL, for us to put it under our own.
 *
 * @returns by path
 */
export async function inherit(
  { kv, lease: leases }: { readonly kv: KVClient; readonly lease: LeaseClient },
  range: KeyRange,
  former: string,
): Promise<Map<string, string>> {
  try {
    await renewLease(leases, former);
  } catch (error) {
    if (error instanceof LeaseLostError) {
      return new Map();
    }
    // Something hangs on it that we may not write. What we may is ours all the same, if it is in time.
    if (!isDenied(error)) throw error;
  }
  const keys = (await leaseKeys(leases, former)).filter(
    (key) => key.compare(range.key) >= 0 && key.compare(range.range_end) < 0,
  );
  const entries = new Map<string, string>();
  for (let start = 0; start < keys.length; start += MAX_READS) {
    const reads = keys.slice(start, start + MAX_READS).map((key) => ({ request_range: { key } }));
    const { responses } = await kv.txn({ success: reads });
    for (const { key, value, lease } of responses.flatMap(({ response_range }) => response_range.kvs)) {
      const path = range.path(key);
      if (path !== undefined && lease === former) {
        entries.set(path, value.toString());
      }
    }
  }
  return entries;
}

/** The field by which a run that ends in good order says so: who comes next need not wait to see it dead. */
const ENDED = 'stopped';

/** @returns the value, saying that its run has ended */
export function ended(value: string, at: Date): string {
  return JSON.stringify({ ...fields(value), [ENDED]: at.toISOString() });
}

export function hasEnded(value: string): boolean {
  return typeof fields(value)[ENDED] === 'string';
}

/** Whether a claim's value names a process, by `processIdentity`, that can be seen from here to be dead. */
export function hasDied(value: string): boolean {
  const { process: identity } = fields(value);
  return typeof identity === 'string' && isDead(identity);
}

/** Who a claim's value says its holder is, for a person to find them. */
export function holderOf(value: string): string {
  const { machine, pid, started } = fields(value);
  const known = Object.entries({ machine, process: pid, started }).flatMap(([name, field]) =>
    typeof field === 'string' || typeof field === 'number' ? [`${name} ${String(field)}`] : [],
  );
  return known.join(', ') || 'it does not say who it is';
}

/** A claim's value is a JSON object, if it is one of ours. */
function fields(value: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
