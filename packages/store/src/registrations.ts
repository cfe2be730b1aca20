/** Something worth a log line. */
export type RegistrationEvent =
  /** `ttl` in milliseconds. */
  | { readonly type: 'lease granted'; readonly leaseId: string; readonly ttl: number }
  | { readonly type: 'lease lost'; readonly leaseId: string; readonly error: Error }
  | { readonly type: 'put key'; readonly key: string; readonly value: string }
  | { readonly type: 'removed key'; readonly key: string }
  /** Somebody else removed or changed a key of ours; it is put again. */
  | { readonly type: 'lost key'; readonly key: string }
  /** An attempt failed and is repeated with backoff; told once for each different message in a row. */
  | { readonly type: 'failed'; readonly error: Error }
  /** The first success after a failure. */
  | { readonly type: 'recovered' };

export interface RegistrationsState {
  /** Decimal; absent while there is none. */
  readonly leaseId?: string;
  /** What is known to be in etcd under our lease. */
  readonly written: ReadonlyMap<string, string>;
  /** What went wrong last, until something succeeds. */
  readonly lastError?: Error;
  /** Everything published is written. */
  readonly settled: boolean;
}

/**
 * Keys kept in a tree for as long as this process lives, and no longer than the TTL after it. Outside failures
 * never reach the caller: they are retried for ever and show in `state` and as events.
 */
export interface Registrations {
  /** The whole desired set, by path relative to the prefix. The newest wins; nothing queues. No effect once closed. */
  publish(entries: ReadonlyMap<string, string>): void;

  /** Resolves when what was published last is written; rejects when the signal aborts, or when closed before. */
  settled(signal?: AbortSignal): Promise<void>;

  /**
   * Removes every key of ours at once, by revoking the lease, and closes. Rejects if that cannot be done before
   * the signal aborts, by default within the TTL: after that the keys go by themselves.
   */
  flush(signal?: AbortSignal): Promise<void>;

  /** Stops the keep-alive and leaves the keys to their TTL. */
  close(): Promise<void>;

  readonly state: RegistrationsState;
}
