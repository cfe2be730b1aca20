import { EventEmitter, once } from 'node:events';
import { Backoff, type BackoffOptions, pause } from './backoff.js';
import { ConfigurationError } from './configuration-error.js';
import type { EtcdConnection } from './etcd-connection.js';
import { grantLease, LeaseLostError, renewLease, revokeLease } from './lease.js';
import { findForeignChanges, type LeasedKey, nextChanges, writeChanges } from './leased-keys.js';
import type { RegistrationEvent, Registrations, RegistrationsState } from './registrations.js';
import { Trigger } from './trigger.js';
import { UnavailableError, wordsOf } from './unavailable-error.js';
import { type EtcdLocation, type EtcdOptions, parseSourceUrl } from './url.js';

/** Milliseconds; the defaults are for production. */
export interface RegistrationsTiming {
  /** Until a request counts as failed; default a third of the TTL, 1000 to 5000. */
  readonly timeout?: number | undefined;
  /** Between renewals of the lease; default a third of the TTL. */
  readonly renew?: number | undefined;
  /** Between looks at whether our keys are as we put them; default 5000. */
  readonly verify?: number | undefined;
  readonly backoff?: BackoffOptions | undefined;
}

export interface RegistrationsOptions {
  /** `etcd://…` */
  readonly url: string;
  readonly etcd?: EtcdOptions | undefined;
  /** Milliseconds that keys outlive us; etcd counts whole seconds. */
  readonly ttl: number;
  readonly onEvent?: ((event: RegistrationEvent) => void) | undefined;
  readonly timing?: RegistrationsTiming | undefined;
}

/**
 * Keeps a set of keys in etcd under one lease. Nothing is sent before something is published.
 *
 * @throws {ConfigurationError} if the URL is not one of etcd, or an option is not usable
 */
export function openRegistrations(options: RegistrationsOptions): Registrations {
  const location = parseSourceUrl(options.url, options.etcd);
  if (location.type !== 'etcd') {
    throw new ConfigurationError(`registrations go to etcd; ${JSON.stringify(options.url)} is not an etcd:// URL`);
  }
  return new EtcdRegistrations(location, options);
}

/** Milliseconds: an agent that is told to end is killed after ten seconds in most places. */
const LONGEST_FLUSH = 8000;

/** Times of the last renewal and the last look at the keys, in milliseconds of `performance.now()`. */
interface Lease {
  readonly id: string;
  renewed: number;
  verified: number;
}

/**
 * INVARIANTS
 * - One loop does everything, one request at a time; `publish` only leaves a note and wakes it.
 * - `#written` holds every key that may be in etcd under `#lease`: a key goes in before its put is sent, and out
 *   after its removal is answered. So no key is forgotten, whatever answer is lost.
 * - Whatever fails, the loop connects anew; with the lease still alive it goes on where it was, after a look at
 *   whether its keys are as it put them; without it, everything is put again under a new one.
 */
class EtcdRegistrations implements Registrations {
  readonly #location: EtcdLocation;
  readonly #options: RegistrationsOptions;
  readonly #timing: { readonly timeout: number; readonly renew: number; readonly verify: number };
  readonly #backoff: Backoff;
  readonly #changed = new Trigger();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  #desired: ReadonlyMap<string, string> = new Map();
  readonly #written = new Map<string, LeasedKey>();
  #lease: Lease | undefined;
  #settled = true;
  /** Emits `settled`, and `error` to those who wait for that in vain. */
  readonly #news = new EventEmitter<{ settled: []; error: [Error] }>();
  #flushing = false;
  #lastError: Error | undefined;

  constructor(location: EtcdLocation, options: RegistrationsOptions) {
    const { ttl, timing = {} } = options;
    this.#location = location;
    this.#options = options;
    this.#timing = {
      timeout: timing.timeout ?? Math.min(5000, Math.max(1000, ttl / 3)),
      renew: timing.renew ?? ttl / 3,
      verify: timing.verify ?? 5000,
    };
    // After an outage, however long, a lease has its TTL to be renewed in: no wait may be longer than a renewal's.
    this.#backoff = new Backoff({ most: Math.min(5000, this.#timing.renew), ...timing.backoff });
    this.#running = this.#run();
  }

  publish(entries: ReadonlyMap<string, string>): void {
    this.#desired = new Map(entries);
    this.#settled = false;
    this.#changed.fire();
  }

  async settled(signal?: AbortSignal): Promise<void> {
    if (this.#settled) {
      return;
    }
    if (this.#stop.signal.aborted) {
      throw new Error('the registrations are closed');
    }
    await once(this.#news, 'settled', signal === undefined ? {} : { signal });
  }

  async flush(signal: AbortSignal = AbortSignal.timeout(Math.min(this.#options.ttl, LONGEST_FLUSH))): Promise<void> {
    this.#flushing = true;
    this.#changed.fire();
    const give = () => this.#stop.abort();
    signal.addEventListener('abort', give);
    if (signal.aborted) {
      give();
    }
    await this.#running;
    signal.removeEventListener('abort', give);
    await this.close();
    if (this.#lease !== undefined) {
      throw UnavailableError.from('the registrations could not be removed', this.#lastError ?? signal.reason);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#news.listenerCount('error') > 0) {
      this.#news.emit('error', new Error('the registrations were closed'));
    }
  }

  get state(): RegistrationsState {
    const written = [...this.#written].flatMap(([path, { value }]) =>
      value === undefined ? [] : [[path, value] as const],
    );
    return {
      written: new Map(written),
      settled: this.#settled,
      ...(this.#lease === undefined ? {} : { leaseId: this.#lease.id }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
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
    try {
      if (this.#lease !== undefined) {
        this.#lease.renewed = this.#lease.verified = -Infinity;
      }
      while (!signal.aborted && !(this.#flushing && this.#lease === undefined)) {
        await this.#step(connection, signal);
      }
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }

  /** The most urgent thing there is to do, or a wait. */
  async #step({ kv, lease: leases }: EtcdConnection, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const { prefix } = this.#location;
    const lease = this.#lease;
    if (lease === undefined) {
      if (this.#desired.size === 0) {
        this.#succeed();
        await this.#changed.wait(this.#timing.verify, signal);
        return;
      }
      const id = await grantLease(leases, this.#options.ttl);
      this.#lease = { id, renewed: now, verified: now };
      this.#tell({ type: 'lease granted', leaseId: id, ttl: this.#options.ttl });
    } else if (this.#flushing) {
      await revokeLease(leases, lease.id);
      this.#lease = undefined;
      for (const key of this.#written.keys()) {
        this.#tell({ type: 'removed key', key });
      }
      this.#written.clear();
      this.#desired = new Map();
    } else if (now >= lease.renewed + this.#timing.renew) {
      await renewLease(leases, lease.id);
      lease.renewed = now;
    } else if (now >= lease.verified + this.#timing.verify) {
      for (const key of await findForeignChanges(kv, prefix, this.#written)) {
        this.#written.set(key, {});
        this.#settled = false;
        this.#tell({ type: 'lost key', key });
      }
      lease.verified = now;
    } else {
      await this.#write(kv, lease, signal);
    }
  }

  async #write(kv: EtcdConnection['kv'], lease: Lease, signal: AbortSignal): Promise<void> {
    const changes = nextChanges(this.#desired, this.#written);
    if (changes.size === 0) {
      this.#succeed();
      const due = Math.min(lease.renewed + this.#timing.renew, lease.verified + this.#timing.verify);
      await this.#changed.wait(Math.max(0, due - performance.now()), signal);
      return;
    }
    for (const path of changes.keys()) {
      this.#written.set(path, {});
    }
    const revision = await writeChanges(kv, this.#location.prefix, lease.id, changes);
    for (const [key, value] of changes) {
      if (value === undefined) {
        this.#written.delete(key);
        this.#tell({ type: 'removed key', key });
      } else {
        this.#written.set(key, { value, revision });
        this.#tell({ type: 'put key', key, value });
      }
    }
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

  /** @returns whether to try again at once: not if the lease did not even last until everything was put */
  #loseLease(error: LeaseLostError): boolean {
    const lasted = this.#settled;
    if (this.#lease !== undefined) {
      this.#tell({ type: 'lease lost', leaseId: this.#lease.id, error });
    }
    this.#lease = undefined;
    this.#written.clear();
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
