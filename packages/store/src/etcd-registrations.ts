import { EventEmitter, once } from 'node:events';
import { Backoff, pause } from './backoff.js';
import { ClaimedError } from './claim.js';
import { Deletions } from './deletions.js';
import { keysBelow } from './etcd-tree.js';
import { LeaseLostError } from './lease.js';
import { Leaseholder } from './leaseholder.js';
import type { RegistrationsOptions } from './open-registrations.js';
import { OwnKeys } from './own-keys.js';
import type { PublishOptions, RegistrationEvent, Registrations, RegistrationsState } from './registrations.js';
import { Trigger } from './trigger.js';
import { kindOf, UnavailableError } from './unavailable-error.js';
import type { EtcdLocation } from './url.js';

/** Milliseconds: an agent that is told to end is killed after ten seconds in most places. */
const LONGEST_FLUSH = 8000;
/** Milliseconds to say that we have ended; who comes next does without it, if later. */
const LONGEST_FAREWELL = 1000;

/** Milliseconds that a request may take where nothing is at stake but waiting. */
const LONGEST_REQUEST = 5000;

/**
 * INVARIANTS
 * - One loop does everything, one request at a time; all others only leave a note and wake it.
 * - Whatever fails, the loop connects anew; with the lease still alive it goes on where it was, after a look at
 *   whether its keys are as it put them; without it, everything is put again under a new one.
 */
export class EtcdRegistrations implements Registrations {
  readonly #location: EtcdLocation;
  readonly #options: RegistrationsOptions;
  /**
   * Milliseconds until a request counts as failed, which leave time for another try before the lease lapses; and what
   * they are now. Where none is answered in time, each try has longer: an etcd that is slow is better than none.
   */
  readonly #timeout: number;
  #patience: number;
  readonly #backoff: Backoff;
  readonly #changed = new Trigger();
  readonly #stop = new AbortController();
  readonly #refused = new AbortController();
  readonly #keys: OwnKeys;
  readonly #holder: Leaseholder;
  readonly #running: Promise<void>;

  #settled: boolean;
  /** Under the lease that there is, or was last, everything was put once. */
  #wasSettled = false;
  /** Emits `settled`, and `error` to those who wait for that in vain. */
  readonly #news = new EventEmitter<{ settled: []; error: [Error] }>();
  /** `flush`: remove everything first. `leave`: only say goodbye. */
  #ending: 'flush' | 'leave' | undefined;
  #lastError: Error | undefined;
  /** The kinds of trouble that were told of since something succeeded. */
  readonly #told = new Set<string>();

  constructor(location: EtcdLocation, options: RegistrationsOptions) {
    const { ttl, timing = {}, claim } = options;
    this.#location = location;
    this.#options = options;
    const renew = timing.renew ?? ttl / 3;
    this.#timeout = this.#patience = timing.timeout ?? Math.min(LONGEST_REQUEST, Math.max(1000, ttl / 3));
    // After an outage, however long, a lease has its TTL to be renewed in: no wait may be longer than a renewal's.
    this.#backoff = new Backoff({ most: Math.min(5000, renew), ...timing.backoff });
    this.#keys = new OwnKeys(claim, (event) => this.#tell(event));
    this.#holder = new Leaseholder({
      prefix: location.prefix,
      claim,
      keys: this.#keys,
      ttl,
      renew,
      verify: timing.verify ?? 5000,
      tell: (event) => this.#tell(event),
      onSettled: (isSettled) => {
        if (isSettled) this.#succeed();
        else this.#settled = false;
      },
    });
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
    if (this.#holder.leaseId !== undefined) {
      throw UnavailableError.from('the registrations could not be removed', this.#lastError ?? signal.reason);
    }
  }

  async close(): Promise<void> {
    // Where etcd does not answer, there is nobody to say goodbye to.
    const isPossible = this.#holder.established && this.#lastError === undefined;
    await this.#end('leave', isPossible ? AbortSignal.timeout(LONGEST_FAREWELL) : AbortSignal.abort());
  }

  get state(): RegistrationsState {
    const { written, held, refused, desired } = this.#keys;
    const { leaseId } = this.#holder;
    return {
      written,
      held,
      refused,
      desired,
      claimed: this.#holder.established,
      settled: this.#settled,
      ...(leaseId === undefined ? {} : { leaseId }),
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
        this.#patience = Math.max(this.#timeout, Math.min(LONGEST_REQUEST, this.#options.ttl, 2 * this.#patience));
        this.#fail(UnavailableError.from(`etcd ${host}`, error));
        await pause(this.#backoff.next(), signal);
      }
    }
  }

  /** One connection; returns when there is nothing left to do for ever. */
  async #session(host: string, signal: AbortSignal): Promise<void> {
    const { connectEtcd } = await import('./etcd-connection.js');
    const connection = await connectEtcd(this.#location, host, this.#options.etcd ?? {}, () => this.#patience, signal);
    const close = () => connection.close();
    signal.addEventListener('abort', close);
    const onDeleted = (path: string, revision: number) => {
      if (this.#keys.noteDeleted(path, revision)) {
        this.#changed.fire();
      }
    };
    const lookAgain = () => {
      this.#holder.doubt();
      this.#changed.fire();
    };
    const deletions = new Deletions(keysBelow(this.#location.prefix), onDeleted, lookAgain);
    try {
      this.#holder.doubt();
      while (!signal.aborted) {
        if (this.#ending !== undefined) {
          await (this.#ending === 'flush' ? this.#holder.revoke(connection) : this.#holder.bequeath(connection));
          return;
        }
        const idle = await this.#holder.step(connection, deletions);
        if (idle > 0) {
          await this.#changed.wait(idle, signal);
        }
      }
    } catch (error) {
      throw await this.#holder.explain(connection, error);
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }

  #unsettle(): void {
    this.#settled = false;
    this.#changed.fire();
  }

  /** Everything is as desired. */
  #succeed(): void {
    this.#settled = this.#wasSettled = true;
    this.#backoff.reset();
    this.#patience = this.#timeout;
    if (this.#lastError !== undefined) {
      this.#lastError = undefined;
      this.#told.clear();
      this.#tell({ type: 'recovered' });
    }
    this.#news.emit('settled');
  }

  /** What may still be on our lease is left to it. */
  #refuse(error: ClaimedError): void {
    this.#holder.forget();
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
    const lasted = this.#wasSettled;
    this.#holder.lose(error);
    this.#settled = this.#wasSettled = false;
    return lasted;
  }

  #fail(error: Error): void {
    this.#lastError = error;
    const kind = kindOf(error);
    if (!this.#told.has(kind)) {
      this.#told.add(kind);
      this.#tell({ type: 'failed', error });
    }
  }

  #tell(event: RegistrationEvent): void {
    this.#options.onEvent?.(event);
  }
}
