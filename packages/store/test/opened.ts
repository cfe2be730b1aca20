import {
  type ClaimEntry,
  type EtcdOptions,
  openRegistrations,
  type RegistrationEvent,
  type Registrations,
} from '@clusterf/store';

export interface Opened extends AsyncDisposable {
  readonly registrations: Registrations;
  readonly events: readonly RegistrationEvent[];
  /** How many events there were of a type. */
  count(type: RegistrationEvent['type']): number;
}

/** Milliseconds, unless told otherwise. */
export const TTL = 2000;

interface OpenOptions {
  readonly ttl?: number;
  readonly verify?: number;
  readonly renew?: number;
  readonly claim?: ClaimEntry;
  readonly etcd?: EtcdOptions;
}

/** Registrations that are quick to try again, and to find out. Milliseconds. */
export function open(hosts: string, prefix: string, options: OpenOptions = {}): Opened {
  const { ttl = TTL, verify = 200, renew = 300, claim, etcd } = options;
  const events: RegistrationEvent[] = [];
  const registrations = openRegistrations({
    url: `etcd://${hosts}${prefix}`,
    etcd,
    ttl,
    claim,
    onEvent: (event) => events.push(event),
    timing: { timeout: 1000, verify, renew, backoff: { first: 20, most: 200 } },
  });
  return {
    registrations,
    events,
    count: (type) => events.filter((event) => event.type === type).length,
    async [Symbol.asyncDispose]() {
      await registrations.close();
    },
  };
}

export function map(entries: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(entries));
}

export function soon(): AbortSignal {
  return AbortSignal.timeout(20_000);
}
