import type { LeaseClient } from 'etcd3';

/** The lease is gone, by expiry, revocation or the loss of etcd's data, and every key on it with it. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  readonly code = 'ERR_LEASE_LOST';
}

/** Seconds. etcd counts whole ones: of a lease of one second nobody could tell whether it is renewed. */
const SHORTEST = 2;

/** @param ttl milliseconds; etcd may make it longer */
export async function grantLease(client: LeaseClient, ttl: number): Promise<string> {
  const { ID: id } = await client.leaseGrant({ TTL: Math.max(SHORTEST, Math.ceil(ttl / 1000)) });
  return id;
}

/**
 * Renews a lease once. etcd has a stream for this; one for each renewal keeps no state that could go stale, and
 * falls under the timeout of requests.
 *
 * @throws {LeaseLostError}
 */
export async function renewLease(client: LeaseClient, id: string): Promise<void> {
  try {
    await renewOnce(client, id);
  } catch (error) {
    // By now there is a new token; only of calls that are no streams etcd3 repeats those that came with an old one.
    if (!(error instanceof Error && error.message.includes('etcdserver: invalid auth token'))) throw error;
    await renewOnce(client, id);
  }
}

async function renewOnce(client: LeaseClient, id: string): Promise<void> {
  const stream = await client.leaseKeepAlive();
  try {
    const { TTL: ttl } = await new Promise<{ readonly TTL: string }>((resolve, reject) => {
      stream.on('data', resolve);
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('the keep-alive of the lease ended without an answer')));
      stream.write({ ID: id });
    });
    if (Number(ttl) <= 0) {
      throw new LeaseLostError(`lease ${id} is gone`);
    }
  } finally {
    stream.end();
  }
}

/** A lease's time in whole seconds, as etcd's own clock counts it. */
export interface LeaseTime {
  readonly granted: number;
  /** Rounded down; negative once it is gone. */
  readonly remaining: number;
}

export async function leaseTime(client: LeaseClient, id: string): Promise<LeaseTime> {
  const { grantedTTL, TTL: remaining } = await client.leaseTimeToLive({ ID: id });
  return { granted: Number(grantedTTL), remaining: Number(remaining) };
}

/** The keys that hang on a lease; none if it is gone. */
export async function leaseKeys(client: LeaseClient, id: string): Promise<readonly Buffer[]> {
  const { keys } = await client.leaseTimeToLive({ ID: id, keys: true });
  return keys;
}

/** Removes a lease with all its keys, in one transaction; one that is gone already will do. */
export async function revokeLease(client: LeaseClient, id: string): Promise<void> {
  try {
    await client.leaseRevoke({ ID: id });
  } catch (error) {
    if (!(await isLeaseUnknown(error))) {
      throw error;
    }
  }
}

/** Whether etcd refused because it does not know the lease. */
export async function isLeaseUnknown(error: unknown): Promise<boolean> {
  // Loaded by whoever made the client; imported here only to keep it out of a start without etcd.
  const { EtcdLeaseInvalidError } = await import('etcd3');
  return error instanceof EtcdLeaseInvalidError;
}
