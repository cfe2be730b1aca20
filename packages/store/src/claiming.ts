import {
  ClaimedError,
  hasDied,
  hasEnded,
  type Holder,
  holderOf,
  inherit,
  judge,
  putClaim,
  readClaim,
} from './claim.js';
import type { EtcdConnection } from './etcd-connection.js';
import { keysBelow } from './etcd-tree.js';
import { leaseTime } from './lease.js';

export interface Claimed {
  /** That put the claim. */
  readonly revision: number;
  /** The lease of the run that held it before. */
  readonly former: string | undefined;
  /** What that run left. */
  readonly inherited: ReadonlyMap<string, string>;
}

/** The way to a claim: looks at whoever holds it until it is sure whether they live. */
export class Claiming {
  readonly #prefix: string;
  readonly #path: string;
  readonly #onContested: (holder: string) => void;
  /** Whom we look at, and since when, in milliseconds of `performance.now()`. */
  #rival: { readonly lease: string; readonly since: number } | undefined;

  /** @param onContested told once of everybody whom it takes time to be sure of */
  constructor(prefix: string, path: string, onContested: (holder: string) => void) {
    this.#prefix = prefix;
    this.#path = path;
    this.#onContested = onContested;
  }

  /**
   * One attempt.
   *
   * @param before our own lease until now, if the claim was ours on that
   * @returns undefined if it is to be tried again, a little later
   * @throws {ClaimedError} if its holder lives
   * @throws {LeaseLostError} if the lease, which is ours, does not
   */
  async attempt(
    connection: EtcdConnection,
    lease: string,
    value: string,
    before: string | undefined,
  ): Promise<Claimed | undefined> {
    const { kv } = connection;
    const key = Buffer.from(`${this.#prefix}/${this.#path}`);
    const found = await readClaim(kv, key);
    const rival = found !== undefined && found.lease !== '0' && found.lease !== lease ? found : undefined;
    if (rival !== undefined && rival.lease !== before && !(await this.#isGone(connection, rival))) {
      return undefined;
    }
    const inherited = new Map(
      rival === undefined ? [] : await inherit(connection, keysBelow(this.#prefix), rival.lease),
    );
    inherited.delete(this.#path);
    const revision = await putClaim(kv, key, lease, value, found);
    if (revision === undefined) {
      return undefined;
    }
    this.#rival = undefined;
    return { revision, former: rival?.lease, inherited };
  }

  async #isGone({ lease: leases }: EtcdConnection, { lease, value }: Holder): Promise<boolean> {
    if (hasEnded(value) || hasDied(value)) {
      return true;
    }
    const time = await leaseTime(leases, lease);
    const now = performance.now();
    const before = this.#rival?.lease === lease ? this.#rival : undefined;
    this.#rival = before ?? { lease, since: now };
    const verdict = judge(time, now - this.#rival.since);
    if (verdict === 'living') {
      throw new ClaimedError(
        `${this.#path} in the tree is held by another agent, which is alive (${holderOf(value)}): ` +
          'no two agents can have the same name',
      );
    }
    if (verdict === 'unclear' && before === undefined) {
      this.#onContested(holderOf(value));
    }
    return verdict === 'gone';
  }
}
