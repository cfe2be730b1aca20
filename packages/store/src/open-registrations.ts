import type { BackoffOptions } from './backoff.js';
import { ConfigurationError } from './configuration-error.js';
import { EtcdRegistrations } from './etcd-registrations.js';
import type { ClaimEntry } from './own-keys.js';
import type { RegistrationEvent, Registrations } from './registrations.js';
import { type EtcdOptions, parseSourceUrl } from './url.js';

/** Milliseconds; the defaults are for production. */
export interface RegistrationsTiming {
  /** Until a request counts as failed; default a third of the TTL, 1000 to 5000. */
  readonly timeout?: number | undefined;
  /** Between renewals of the lease; default a third of the TTL. */
  readonly renew?: number | undefined;
  /** Between looks at whether our keys are as we put them; default 5000. Deletions are seen at once. */
  readonly verify?: number | undefined;
  readonly backoff?: BackoffOptions | undefined;
}

export interface RegistrationsOptions {
  /** `etcd://…` */
  readonly url: string;
  readonly etcd?: EtcdOptions | undefined;
  /** Milliseconds that keys outlive us; etcd counts whole seconds, two at least. */
  readonly ttl: number;
  /**
   * An entry that one run at a time may hold, and with it all its registrations: a run that finds it held by one
   * that lives is refused, and takes over the keys of one that ended or died. The value is a JSON object; a field
   * `process` with a {@link processIdentity} lets the next run on the same machine see at once that this one is dead.
   */
  readonly claim?: ClaimEntry | undefined;
  readonly onEvent?: ((event: RegistrationEvent) => void) | undefined;
  readonly timing?: RegistrationsTiming | undefined;
}

/**
 * Keeps a set of keys in etcd under one lease. Without a claim, nothing is sent before something is published.
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
