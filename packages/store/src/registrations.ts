/** Something worth a log line. */
export type RegistrationEvent =
  /** `ttl` in milliseconds. */
  | { readonly type: 'lease granted'; readonly leaseId: string; readonly ttl: number }
  | { readonly type: 'lease lost'; readonly leaseId: string; readonly error: Error }
  /** Somebody else's entry is where our claim goes; it takes up to their TTL to see whether they live. */
  | { readonly type: 'claim contested'; readonly key: string; readonly holder: string }
  /** The claim is ours, and with it the keys of the run that held it before, if there were any. */
  | { readonly type: 'claimed'; readonly key: string; readonly inherited: number }
  | { readonly type: 'put key'; readonly key: string; readonly value: string }
  | { readonly type: 'removed key'; readonly key: string }
  /** Somebody else removed or changed a key of ours; it is put again. */
  | { readonly type: 'lost key'; readonly key: string }
  /** A shared key is somebody else's for now: `value` is theirs. Told again when that changes. */
  | { readonly type: 'held by another'; readonly key: string; readonly value: string }
  /** Those keys of ours that we have no right to write or look at, all of them, and what is missing; told when that changes. */
  | { readonly type: 'refused'; readonly keys: ReadonlyMap<string, Error> }
  /** An attempt failed and is repeated with backoff; told once for each kind of trouble until one succeeds. */
  | { readonly type: 'failed'; readonly error: Error }
  /** The first success after a failure. */
  | { readonly type: 'recovered' };

export interface RegistrationsState {
  /** Decimal; absent while there is none, and in memory, where none is needed. */
  readonly leaseId?: string;
  /** What is written lasts for as long as we do: there is a lease if one is needed, and the claim is ours if there is one. */
  readonly claimed: boolean;
  /** What is known to be in the tree, put by us. */
  readonly written: ReadonlyMap<string, string>;
  /** Shared keys that somebody else holds, with their values. */
  readonly held: ReadonlyMap<string, string>;
  /** Keys that the user has no right to write, or to look at, and why. */
  readonly refused: ReadonlyMap<string, Error>;
  /** What was published last, shared keys and claim apart, and what is kept of a former run's. */
  readonly desired: ReadonlyMap<string, string>;
  /** What went wrong last, until something succeeds. */
  readonly lastError?: Error;
  /** Everything published is written, but for what somebody else holds, and what is refused. */
  readonly settled: boolean;
}

export interface PublishOptions {
  /**
   * Keys that others may want as well. Such a key is put only where it is absent, and only for as long as nobody
   * else puts it: theirs is never overwritten. When it goes, ours takes its place at once.
   */
  readonly shared?: ReadonlyMap<string, string> | undefined;
  /** Which of the keys that a former run left stay beside what is published, since not all is known yet; absent = none. */
  readonly keep?: ((path: string) => boolean) | undefined;
}

/**
 * Keys kept in a tree for as long as this process lives, and no longer than the TTL after it. Outside failures
 * never reach the caller: they are retried for ever and show in `state` and as events.
 */
export interface Registrations {
  /** The whole desired set, by path relative to the prefix. The newest wins; nothing queues. No effect once closed. */
  publish(entries: ReadonlyMap<string, string>, options?: PublishOptions): void;

  /** What the claim's entry says of us, a JSON object. No effect without a claim. */
  describe(value: string): void;

  /** Resolves when what was published last is written; rejects when the signal aborts, or when closed before. */
  settled(signal?: AbortSignal): Promise<void>;

  /** Aborted, with a ClaimedError, when another living run holds the claim: nothing more is written then. */
  readonly refusal: AbortSignal;

  /**
   * Removes every key of ours at once, by revoking the lease, and closes. Rejects if that cannot be done before
   * the signal aborts, by default within the TTL: after that the keys go by themselves.
   */
  flush(signal?: AbortSignal): Promise<void>;

  /** Stops the keep-alive and leaves the keys to their TTL, for the next run to take over. */
  close(): Promise<void>;

  readonly state: RegistrationsState;
}
