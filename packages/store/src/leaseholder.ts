import { ClaimLostError, ended } from './claim.js';
import { Claiming } from './claiming.js';
import type { Deletions } from './deletions.js';
import type { EtcdConnection } from './etcd-connection.js';
import { isDenied } from './etcd-refusal.js';
import { grantLease, LeaseLostError, renewLease, revokeLease } from './lease.js';
import {
  type Changes,
  findForeignChanges,
  NoSpaceError,
  portions,
  type Standing,
  writeChanges,
} from './leased-keys.js';
import type { ClaimEntry, OwnKeys } from './own-keys.js';
import { Refusals } from './refusals.js';
import type { RegistrationEvent } from './registrations.js';

export interface LeaseholderOptions {
  readonly prefix: string;
  readonly claim: ClaimEntry | undefined;
  readonly keys: OwnKeys;
  /** Milliseconds: what the lease is granted for, and the times between its renewals and between looks at the keys. */
  readonly ttl: number;
  readonly renew: number;
  readonly verify: number;
  readonly tell: (event: RegistrationEvent) => void;
  /** Told at the moment when it is known whether everything is as desired. */
  readonly onSettled: (isSettled: boolean) => void;
}

/** Times are milliseconds of `performance.now()`: of a clock that is set they know nothing. */
interface Lease {
  readonly id: string;
  renewed: number;
  verified: number;
  claimed: boolean;
  /** Of the run that we took over from. */
  former?: string | undefined;
}

/**
 * A lease and what hangs on it: whatever is to be done about them, one step at a time, on whichever connection
 * there is. With a claim, nothing else is written before the claim is ours, nor after it is not.
 */
export class Leaseholder {
  readonly #options: LeaseholderOptions;
  readonly #keys: OwnKeys;
  readonly #claiming: Claiming | undefined;
  readonly #refusals: Refusals;
  #lease: Lease | undefined;
  /** The one before. */
  #lost: string | undefined;

  constructor(options: LeaseholderOptions) {
    const { claim, prefix, tell } = options;
    this.#options = options;
    this.#keys = options.keys;
    this.#refusals = new Refusals(prefix, claim?.path, options.keys);
    this.#claiming =
      claim && new Claiming(prefix, claim.path, (holder) => tell({ type: 'claim contested', key: claim.path, holder }));
  }

  get leaseId(): string | undefined {
    return this.#lease?.id;
  }

  /** The lease is granted, and the claim, if there is one, ours. */
  get established(): boolean {
    return this.#lease?.claimed === true;
  }

  /** After a new connection was made: how things are is not known any more. */
  doubt(): void {
    if (this.#lease !== undefined) {
      this.#lease.renewed = this.#lease.verified = -Infinity;
    }
  }

  /**
   * The most urgent thing there is to do.
   *
   * @returns milliseconds until there is something to do again, if nothing changes
   * @throws {LeaseLostError}
   * @throws {ClaimedError} if the claim's holder lives
   */
  async step(connection: EtcdConnection, deletions: Deletions): Promise<number> {
    const lease = this.#lease;
    if (lease === undefined) {
      return await this.#begin(connection);
    }
    await this.#renewIfDue(connection, lease);
    try {
      if (!lease.claimed) {
        return await this.#claim(connection, lease);
      }
      return performance.now() >= lease.verified + this.#options.verify
        ? await this.#verify(connection, lease, deletions)
        : await this.#write(connection, lease);
    } catch (error) {
      if (!(error instanceof ClaimLostError)) {
        throw error;
      }
      lease.claimed = false;
      this.#options.onSettled(false);
      return 0;
    }
  }

  /** Removes everything, at once. */
  async revoke(connection: EtcdConnection): Promise<void> {
    const { lease: leases } = connection;
    if (this.#lease === undefined) {
      return;
    }
    try {
      await revokeLease(leases, this.#lease.id);
    } catch (error) {
      if (!isDenied(error)) throw error;
      await this.#removePermitted(connection, this.#lease);
      throw error;
    }
    for (const key of this.forget()) {
      this.#options.tell({ type: 'removed key', key });
    }
  }

  /** etcd revokes a lease only for who may write all that hangs on it. */
  async #removePermitted(connection: EtcdConnection, lease: Lease): Promise<void> {
    this.#keys.publish(new Map(), {});
    for (let removals = this.#keys.nextRemovals(); removals.size > 0; removals = this.#keys.nextRemovals()) {
      await this.#apply(connection, lease, removals);
    }
    await this.bequeath(connection);
  }

  /** @returns if etcd denied something, what it was; else the same error */
  async explain(connection: EtcdConnection, error: unknown): Promise<unknown> {
    return await this.#refusals.explain(connection, error);
  }

  /** Leaves everything to its TTL, and says so to whoever comes next. */
  async bequeath({ kv }: EtcdConnection): Promise<void> {
    const { claim } = this.#options;
    if (claim !== undefined && this.#lease?.claimed === true) {
      const value = ended(this.#keys.claimValue, new Date());
      await writeChanges(kv, this.#standing(this.#lease), new Map([[claim.path, { value, shared: false }]]), new Map());
    }
  }

  /** The lease is gone. */
  lose(error: LeaseLostError): void {
    if (this.#lease !== undefined) {
      this.#options.tell({ type: 'lease lost', leaseId: this.#lease.id, error });
      this.#lost = this.#lease.id;
    }
    this.forget();
  }

  /** @returns the keys that were, or may have been, on the lease */
  forget(): readonly string[] {
    this.#lease = undefined;
    return this.#keys.clear();
  }

  async #begin({ lease: leases }: EtcdConnection): Promise<number> {
    const { ttl, verify, claim, tell } = this.#options;
    if (this.#keys.empty) {
      this.#options.onSettled(true);
      return verify;
    }
    const renewed = performance.now();
    const id = await grantLease(leases, ttl);
    this.#lease = { id, renewed, verified: -Infinity, claimed: claim === undefined };
    tell({ type: 'lease granted', leaseId: id, ttl });
    return 0;
  }

  async #renewIfDue({ lease: leases }: EtcdConnection, lease: Lease): Promise<void> {
    const now = performance.now();
    if (now >= lease.renewed + this.#options.renew) {
      try {
        await renewLease(leases, lease.id);
      } catch (error) {
        // From 3.4.42, 3.5.28 and 3.6.9 on, etcd renews it only for who may write all that hangs on it. That will lapse;
        // what we may write is not to lapse with it.
        if (!isDenied(error)) throw error;
        const message = `lease ${lease.id} may not be renewed, since something hangs on it that may not be written`;
        throw new LeaseLostError(message, { cause: error });
      }
      lease.renewed = now;
    }
  }

  /** Nothing is written before the claim is ours: a renewal of the lease may fall due while it is not. */
  async #claim(connection: EtcdConnection, lease: Lease): Promise<number> {
    const { claim, tell } = this.#options;
    if (claim === undefined || this.#claiming === undefined) {
      return 0;
    }
    const value = this.#keys.claimValue;
    const claimed = await this.#claiming.attempt(connection, lease.id, value, this.#lost);
    if (claimed === undefined) {
      return this.#options.ttl / 20;
    }
    const { revision, former, inherited } = claimed;
    lease.claimed = true;
    lease.former = former;
    this.#keys.inherit(inherited);
    this.#keys.done(new Map([[claim.path, { value, shared: false }]]), { revision, held: new Map() });
    tell({ type: 'claimed', key: claim.path, inherited: inherited.size });
    return 0;
  }

  /** Looks at every key of ours, and tries again to get those that others hold. */
  async #verify(connection: EtcdConnection, lease: Lease, deletions: Deletions): Promise<number> {
    const started = performance.now();
    if (!deletions.open) {
      await deletions.start(connection.watch);
    }
    await this.#refusals.reconsider(connection);
    const { known, held } = this.#keys.review();
    for (const some of portions(known)) {
      await this.#renewIfDue(connection, lease);
      await this.#refusals.apart(connection, async () => {
        await this.#lose(connection, lease, await findForeignChanges(connection.kv, this.#standing(lease), some));
      });
    }
    for (const some of portions(held)) {
      await this.#renewIfDue(connection, lease);
      await this.#apply(connection, lease, some);
    }
    lease.verified = started;
    return 0;
  }

  async #write(connection: EtcdConnection, lease: Lease): Promise<number> {
    await this.#lose(connection, lease, this.#keys.takeDeleted());
    const changes = this.#keys.next();
    if (changes.size > 0) {
      this.#options.onSettled(false);
      try {
        await this.#apply(connection, lease, changes);
      } catch (error) {
        if (error instanceof NoSpaceError) {
          await this.#removeOnly(connection, lease);
        }
        throw error;
      }
      return 0;
    }
    this.#options.onSettled(true);
    const due = Math.min(lease.renewed + this.#options.renew, lease.verified + this.#options.verify);
    return Math.max(0, due - performance.now());
  }

  /** A full etcd takes that, and what is gone is not to get connections until somebody makes room. */
  async #removeOnly(connection: EtcdConnection, lease: Lease): Promise<void> {
    for (let removals = this.#keys.nextRemovals(); removals.size > 0; removals = this.#keys.nextRemovals()) {
      await this.#renewIfDue(connection, lease);
      await this.#apply(connection, lease, removals);
    }
  }

  /** Keys of ours are not as we put them; if all went with the lease, that is another matter. */
  async #lose({ lease: leases }: EtcdConnection, lease: Lease, paths: readonly string[]): Promise<void> {
    if (paths.length === 0) {
      return;
    }
    await renewLease(leases, lease.id);
    for (const path of paths) {
      this.#keys.lost(path);
    }
    this.#options.onSettled(false);
    if (this.#options.claim !== undefined && paths.includes(this.#options.claim.path)) {
      throw new ClaimLostError('the claim was deleted');
    }
  }

  async #apply(connection: EtcdConnection, lease: Lease, changes: Changes): Promise<void> {
    await this.#refusals.apart(connection, async () => {
      const before = this.#keys.sending(changes);
      try {
        this.#keys.done(changes, await writeChanges(connection.kv, this.#standing(lease), changes, before));
      } catch (error) {
        if (isDenied(error)) this.#keys.notSent(before);
        throw error;
      }
    });
  }

  #standing({ id, former }: Lease): Standing {
    const { prefix, claim } = this.#options;
    return { prefix, lease: id, former, claim: claim && Buffer.from(`${prefix}/${claim.path}`) };
  }
}
