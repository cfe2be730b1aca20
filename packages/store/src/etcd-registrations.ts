import { EventEmitter, once } from 'node:events';
import { Backoff, pause } from './backoff.js';
import { ClaimedError, ClaimLostError, ended } from './claim.js';
import { Claiming } from './claiming.js';
import { Deletions } from './deletions.js';
import type { EtcdConnection } from './etcd-connection.js';
import { keysBelow } from './etcd-tree.js';
import { grantLease, LeaseLostError, renewLease, revokeLease } from './lease.js';
import { type Changes, findForeignChanges, portions, type Standing, writeChanges } from './leased-keys.js';
import type { RegistrationsOptions } from './open-registrations.js';
import { OwnKeys } from './own-keys.js';
import type { PublishOptions, RegistrationEvent, Registrations, RegistrationsState } from './registrations.js';
import { Trigger } from './trigger.js';
import { UnavailableError, wordsOf } from './unavailable-error.js';
import type { EtcdLocation } from './url.js';

/** Milliseconds: an agent that is told to end is killed after ten seconds in most places. */
const LONGEST_FLUSH = 8000;
/** Milliseconds to say that we have ended; who comes next does without it, if later. */
const LONGEST_FAREWELL = 1000;

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
 * INVARIANTS
 * - One loop does everything, one request at a time; all others only leave a note and wake it.
 * - Whatever fails, the loop connects anew; with the lease still alive it goes on where it was, after a look at
 *   whether its keys are as it put them; without it, everything is put again under a new one.
 * - With a claim, nothing else is written before the claim is ours, nor after it is not.
 */
export class EtcdRegistrations implements Registrations {
  readonly #location: EtcdLocation;
  readonly #options: RegistrationsOptions;
  readonly #timing: { readonly timeout: number; readonly renew: number; readonly verify: number };
  readonly #backoff: Backoff;
  readonly #changed = new Trigger();
  readonly #stop = new AbortController();
  readonly #refused = new AbortController();
  readonly #claiming: Claiming | undefined;
  readonly #keys: OwnKeys;
  readonly #running: Promise<void>;

  #lease: Lease | undefined;
  #settled: boolean;
  /** Emits `settled`, and `error` to those who wait for that in vain. */
  readonly #news = new EventEmitter<{ settled: []; error: [Error] }>();
  /** `flush`: remove everything first. `leave`: only say goodbye. */
  #ending: 'flush' | 'leave' | undefined;
  #lastError: Error | undefined;

  constructor(location: EtcdLocation, options: RegistrationsOptions) {
    const { ttl, timing = {}, claim } = options;
    this.#location = location;
    this.#options = options;
    this.#timing = {
      timeout: timing.timeout ?? Math.min(5000, Math.max(1000, ttl / 3)),
      renew: timing.renew ?? ttl / 3,
      verify: timing.verify ?? 5000,
    };
    // After an outage, however long, a lease has its TTL to be renewed in: no wait may be longer than a renewal's.
    this.#backoff = new Backoff({ most: Math.min(5000, this.#timing.renew), ...timing.backoff });
    this.#keys = new OwnKeys(claim, (event) => this.#tell(event));
    this.#claiming =
      claim &&
      new Claiming(location.prefix, claim.path, (holder) =>
        this.#tell({ type: 'claim contested', key: claim.path, holder }),
      );
    this.#settled = claim === undefined;
    this.#running = this.#run();
  }

  publish(entries: ReadonlyMap<string, string>, options: PublishOptions = {}): void {
    this.#keys.publish(entries, options);
    this.#unsettle();
  }

  describe(value: string): void {
    if (this.#options.claim !== undefined) {
      this.#keys.describe(value);
      this.#unsettle();
    }
  }

  async settled(signal?: AbortSignal): Promise<void> {
    if (this.#settled) {
      return;
    }
    this.#refused.signal.throwIfAborted();
    if (this.#stop.signal.aborted) {
      throw new Error('the registrations are closed');
    }
    await once(this.#news, 'settled', signal === undefined ? {} : { signal });
  }

  get refusal(): AbortSignal {
    return this.#refused.signal;
  }

  async flush(signal: AbortSignal = AbortSignal.timeout(Math.min(this.#options.ttl, LONGEST_FLUSH))): Promise<void> {
    await this.#end('flush', signal);
    if (this.#lease !== undefined) {
      throw UnavailableError.from('the registrations could not be removed', this.#lastError ?? signal.reason);
    }
  }

  async close(): Promise<void> {
    // Where etcd does not answer, there is nobody to say goodbye to.
    const isPossible = this.#lease?.claimed === true && this.#lastError === undefined;
    await this.#end('leave', isPossible ? AbortSignal.timeout(LONGEST_FAREWELL) : AbortSignal.abort());
  }

  get state(): RegistrationsState {
    const { written, held, desired } = this.#keys;
    return {
      written,
      held,
      desired,
      settled: this.#settled,
      ...(this.#lease === undefined ? {} : { leaseId: this.#lease.id }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  async #end(how: 'flush' | 'leave', signal: AbortSignal): Promise<void> {
    this.#ending ??= how;
    this.#changed.fire();
    const give = () => this.#stop.abort();
    signal.addEventListener('abort', give);
    if (signal.aborted) {
      give();
    }
    await this.#running;
    signal.removeEventListener('abort', give);
    this.#stop.abort();
    this.#disappoint(new Error('the registrations were closed'));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { hosts } = this.#location;
    const first = Math.floor(Math.random() * hosts.length);
    for (let attempt = first; !signal.aborted; attempt++) {
      const host = hosts[attempt % hosts.length] ?? '';
      try {
        await this.#session(host, signal);
        return;
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        if (error instanceof ClaimedError) {
          this.#refuse(error);
          return;
        }
        if (error instanceof LeaseLostError && this.#loseLease(error)) {
          continue;
        }
        this.#fail(UnavailableError.from(`etcd ${host}`, error));
        await pause(this.#backoff.next(), signal);
      }
    }
  }

  /** One connection; returns when there is nothing left to do for ever. */
  async #session(host: string, signal: AbortSignal): Promise<void> {
    const { connectEtcd } = await import('./etcd-connection.js');
    const connection = await connectEtcd(this.#location, host, this.#options.etcd ?? {}, this.#timing.timeout);
    const close = () => connection.close();
    signal.addEventListener('abort', close);
    const onDeleted = (path: string, revision: number) => {
      if (this.#keys.noteDeleted(path, revision)) {
        this.#changed.fire();
      }
    };
    const lookAgain = () => {
      if (this.#lease !== undefined) {
        this.#lease.verified = -Infinity;
        this.#changed.fire();
      }
    };
    const deletions = new Deletions(keysBelow(this.#location.prefix), onDeleted, lookAgain);
    try {
      if (this.#lease !== undefined) {
        this.#lease.renewed = this.#lease.verified = -Infinity;
      }
      while (!signal.aborted) {
        if (this.#ending !== undefined) {
          await this.#last(connection);
          return;
        }
        await this.#step(connection, deletions, signal);
      }
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }

  /** The most urgent thing there is to do, or a wait. */
  async #step(connection: EtcdConnection, deletions: Deletions, signal: AbortSignal): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) {
      await this.#begin(connection, signal);
      return;
    }
    await this.#renewIfDue(connection, lease);
    try {
      if (!lease.claimed) {
        await this.#claim(connection, lease, signal);
      } else if (performance.now() >= lease.verified + this.#timing.verify) {
        await this.#verify(connection, lease, deletions);
      } else {
        await this.#write(connection, lease, signal);
      }
    } catch (error) {
      if (!(error instanceof ClaimLostError)) {
        throw error;
      }
      lease.claimed = false;
      this.#settled = false;
    }
  }

  async #begin({ lease: leases }: EtcdConnection, signal: AbortSignal): Promise<void> {
    if (this.#keys.empty) {
      this.#succeed();
      await this.#changed.wait(this.#timing.verify, signal);
      return;
    }
    const renewed = performance.now();
    const id = await grantLease(leases, this.#options.ttl);
    this.#lease = { id, renewed, verified: -Infinity, claimed: this.#options.claim === undefined };
    this.#tell({ type: 'lease granted', leaseId: id, ttl: this.#options.ttl });
  }

  async #renewIfDue({ lease: leases }: EtcdConnection, lease: Lease): Promise<void> {
    const now = performance.now();
    if (now >= lease.renewed + this.#timing.renew) {
      await renewLease(leases, lease.id);
      lease.renewed = now;
    }
  }

  /** Nothing is written before the claim is ours: a renewal of the lease may fall due while it is not. */
  async #claim(connection: EtcdConnection, lease: Lease, signal: AbortSignal): Promise<void> {
    const { claim } = this.#options;
    if (claim === undefined || this.#claiming === undefined) {
      return;
    }
    const value = this.#keys.claimValue;
    const claimed = await this.#claiming.attempt(connection, lease.id, value);
    if (claimed === undefined) {
      await this.#changed.wait(this.#options.ttl / 20, signal);
      return;
    }
    const { revision, former, inherited } = claimed;
    lease.claimed = true;
    lease.former = former;
    this.#keys.inherit(inherited);
    this.#keys.done(new Map([[claim.path, { value, shared: false }]]), { revision, held: new Map() });
    this.#tell({ type: 'claimed', key: claim.path, inherited: inherited.size });
  }

  /** Looks at every key of ours, and tries again to get those that others hold. */
  async #verify(connection: EtcdConnection, lease: Lease, deletions: Deletions): Promise<void> {
    const started = performance.now();
    if (!deletions.open) {
      await deletions.start(connection.watch);
    }
    const { known, held } = this.#keys.review();
    for (const some of portions(known)) {
      await this.#renewIfDue(connection, lease);
      await this.#lose(connection, lease, await findForeignChanges(connection.kv, this.#standing(lease), some));
    }
    for (const some of portions(held)) {
      await this.#renewIfDue(connection, lease);
      await this.#apply(connection, lease, some);
    }
    lease.verified = started;
  }

  async #write(connection: EtcdConnection, lease: Lease, signal: AbortSignal): Promise<void> {
    await this.#lose(connection, lease, this.#keys.takeDeleted());
    const changes = this.#keys.next();
    if (changes.size > 0) {
      this.#settled = false;
      await this.#apply(connection, lease, changes);
      return;
    }
    this.#succeed();
    const due = Math.min(lease.renewed + this.#timing.renew, lease.verified + this.#timing.verify);
    await this.#changed.wait(Math.max(0, due - performance.now()), signal);
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
    this.#settled = false;
    if (this.#options.claim !== undefined && paths.includes(this.#options.claim.path)) {
      throw new ClaimLostError('the claim was deleted');
    }
  }

  async #apply({ kv }: EtcdConnection, lease: Lease, changes: Changes): Promise<void> {
    this.#keys.sending(changes);
    this.#keys.done(changes, await writeChanges(kv, this.#standing(lease), changes));
  }

  /** Before the end: removes all, or says goodbye. */
  async #last({ kv, lease: leases }: EtcdConnection): Promise<void> {
    const lease = this.#lease;
    const { claim } = this.#options;
    if (lease === undefined) {
      return;
    }
    if (this.#ending === 'flush') {
      await revokeLease(leases, lease.id);
      this.#lease = undefined;
      for (const key of this.#keys.clear()) {
        this.#tell({ type: 'removed key', key });
      }
      this.#settled = true;
    } else if (claim !== undefined && lease.claimed) {
      const value = ended(this.#keys.claimValue, new Date());
      await writeChanges(kv, this.#standing(lease), new Map([[claim.path, { value, shared: false }]]));
    }
  }

  #standing({ id, former }: Lease): Standing {
    const { prefix } = this.#location;
    const { claim } = this.#options;
    return { prefix, lease: id, former, claim: claim && Buffer.from(`${prefix}/${claim.path}`) };
  }

  #unsettle(): void {
    this.#settled = false;
    this.#changed.fire();
  }

  /** Everything is as desired. */
  #succeed(): void {
    this.#settled = true;
    this.#backoff.reset();
    if (this.#lastError !== undefined) {
      this.#lastError = undefined;
      this.#tell({ type: 'recovered' });
    }
    this.#news.emit('settled');
  }

  /** What may still be on our lease is left to it. */
  #refuse(error: ClaimedError): void {
    this.#lease = undefined;
    this.#keys.clear();
    this.#refused.abort(error);
    this.#disappoint(error);
  }

  #disappoint(error: Error): void {
    if (this.#news.listenerCount('error') > 0) {
      this.#news.emit('error', error);
    }
  }

  /** @returns whether to try again at once: not if the lease did not even last until everything was put */
  #loseLease(error: LeaseLostError): boolean {
    const lasted = this.#settled;
    if (this.#lease !== undefined) {
      this.#tell({ type: 'lease lost', leaseId: this.#lease.id, error });
    }
    this.#lease = undefined;
    this.#keys.clear();
    this.#settled = false;
    return lasted;
  }

  #fail(error: Error): void {
    const repeated = this.#lastError !== undefined && wordsOf(this.#lastError) === wordsOf(error);
    this.#lastError = error;
    if (!repeated) {
      this.#tell({ type: 'failed', error });
    }
  }

  #tell(event: RegistrationEvent): void {
    this.#options.onEvent?.(event);
  }
}
