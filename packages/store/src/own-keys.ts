import {
  type Changes,
  type KnownKeys,
  type LeasedKey,
  nextChanges,
  nextRemovals,
  type Wanted,
  type Written,
} from './leased-keys.js';
import type { PublishOptions, RegistrationEvent } from './registrations.js';

export interface ClaimEntry {
  readonly path: string;
  readonly value: string;
}

/**
 * What we want in the tree, and what we know to be there: the memory of the registrations' loop, without I/O.
 *
 * INVARIANTS
 * - `written` holds every key that may be in etcd under our lease: a key goes in before its put is sent, and out
 *   after its removal is answered. So no key is forgotten, whatever answer is lost.
 * - A key is in `written` or in `held`, never in both.
 * - Nothing is asked of etcd for a key that is in `refused`.
 * - All of it is bounded by what is published and what was inherited.
 */
export class OwnKeys {
  readonly #tell: (event: RegistrationEvent) => void;
  readonly #claim: string | undefined;
  #claimValue: string;
  #published: ReadonlyMap<string, string> = new Map();
  #shared: ReadonlyMap<string, string> = new Map();
  /** A former run's, until all is known that should be there. */
  #inherited: ReadonlyMap<string, string> = new Map();
  /** Until something is published, nothing is known. */
  #keep: (path: string) => boolean = () => true;

  readonly #desired = new Map<string, Wanted>();
  readonly #written = new Map<string, LeasedKey>();
  readonly #held = new Map<string, string>();
  /** Keys that we have no right to write or look at, and why. */
  readonly #refused = new Map<string, Error>();
  /** Keys of ours that were seen deleted, and the revisions that did it. */
  readonly #deleted = new Map<string, number>();

  constructor(claim: ClaimEntry | undefined, tell: (event: RegistrationEvent) => void) {
    this.#claim = claim?.path;
    this.#claimValue = claim?.value ?? '';
    this.#tell = tell;
    this.#want();
  }

  publish(entries: ReadonlyMap<string, string>, { shared = new Map(), keep = () => false }: PublishOptions): void {
    this.#published = new Map(entries);
    this.#shared = new Map(shared);
    this.#keep = keep;
    this.#inherited = new Map([...this.#inherited].filter(([path]) => keep(path)));
    this.#want();
  }

  describe(value: string): void {
    this.#claimValue = value;
    this.#wantClaim();
  }

  get claimValue(): string {
    return this.#claimValue;
  }

  /** A former run's entries are ours from now on. They are there, but on its lease. */
  inherit(entries: ReadonlyMap<string, string>): void {
    for (const path of entries.keys()) {
      this.#written.set(path, {});
    }
    this.#inherited = new Map([...this.#inherited, ...entries].filter(([path]) => this.#keep(path)));
    this.#want();
  }

  get empty(): boolean {
    return this.#desired.size === 0;
  }

  get desired(): ReadonlyMap<string, string> {
    return new Map([...this.#inherited, ...this.#published]);
  }

  get written(): ReadonlyMap<string, string> {
    return new Map([...this.#written].flatMap(([path, { value }]) => (value === undefined ? [] : [[path, value]])));
  }

  get held(): ReadonlyMap<string, string> {
    return new Map(this.#held);
  }

  /** Everything that is wanted or may be there. */
  get all(): readonly string[] {
    return [...new Set([...this.#desired.keys(), ...this.#written.keys()])];
  }

  get refused(): ReadonlyMap<string, Error> {
    return new Map(this.#refused);
  }

  /** What is to be written next. */
  next(): Changes {
    return nextChanges(this.#desired, this.#written, (path) => this.#held.has(path) || this.#refused.has(path));
  }

  /** As far as something is to be removed. */
  nextRemovals(): Changes {
    return nextRemovals(this.#desired, this.#written, (path) => this.#refused.has(path));
  }

  /** Before they are sent: from here on they may have been written. @returns what was known of them until now */
  sending(changes: Changes): KnownKeys {
    const before = new Map([...changes.keys()].map((path) => [path, this.#written.get(path)]));
    for (const path of changes.keys()) {
      this.#written.set(path, {});
    }
    return before;
  }

  /** None of it was written. */
  notSent(before: KnownKeys): void {
    for (const [path, known] of before) {
      if (known === undefined) this.#written.delete(path);
      else this.#written.set(path, known);
    }
  }

  /** Nothing is tried with these until {@link permit}. @returns whether any of them is new */
  refuse(reasons: ReadonlyMap<string, Error>): boolean {
    const news = [...reasons].filter(([key]) => !this.#refused.has(key));
    for (const [path, error] of news) this.#refused.set(path, error);
    if (news.length > 0) this.#tell({ type: 'refused', keys: this.refused });
    return news.length > 0;
  }

  permit(paths: readonly string[]): void {
    for (const path of paths) this.#refused.delete(path);
    if (paths.length > 0) this.#tell({ type: 'refused', keys: this.refused });
  }

  done(changes: Changes, { revision, held }: Written): void {
    for (const [key, wanted] of changes) {
      const theirs = held.get(key);
      if (theirs !== undefined) {
        this.#written.delete(key);
        const isNews = this.#held.get(key) !== theirs;
        this.#held.set(key, theirs);
        if (isNews) {
          this.#tell({ type: 'held by another', key, value: theirs });
        }
        continue;
      }
      this.#held.delete(key);
      if (wanted === undefined) {
        this.#written.delete(key);
        this.#tell({ type: 'removed key', key });
      } else {
        this.#written.set(key, { value: wanted.value, revision });
        // The claim is no registration: whoever wants to know of it is told by other events.
        if (key !== this.#claim) {
          this.#tell({ type: 'put key', key, value: wanted.value });
        }
      }
    }
  }

  /** Everything to be looked at: ours, with the revisions that put them, and what is held, to be tried again. */
  review(): { readonly known: ReadonlyMap<string, number>; readonly held: Changes } {
    const known = [...this.#written].flatMap(([path, { revision }]) =>
      revision === undefined || this.#refused.has(path) ? [] : [[path, revision] as const],
    );
    const held = [...this.#held.keys()].flatMap((path) => {
      const wanted = this.#desired.get(path);
      return wanted === undefined || this.#refused.has(path) ? [] : [[path, wanted] as const];
    });
    return { known: new Map(known), held: new Map(held) };
  }

  /** Somebody else removed or wrote it. */
  lost(path: string): void {
    if (this.#desired.get(path)?.shared !== true) {
      this.#tell({ type: 'lost key', key: path });
    }
    this.#written.set(path, {});
  }

  /** Somebody deleted a key, perhaps ourselves; nothing is done about it before what is under way is answered. */
  noteDeleted(path: string, revision: number): boolean {
    const concerns = this.#written.has(path) || this.#held.has(path);
    if (concerns) {
      this.#deleted.set(path, revision);
    }
    return concerns;
  }

  /** What others held is free to be taken. @returns the keys of ours that were deleted, and not by us */
  takeDeleted(): readonly string[] {
    const missing = [...this.#deleted].flatMap(([path, revision]) => {
      this.#held.delete(path);
      const ours = this.#written.get(path)?.revision;
      return ours !== undefined && ours < revision ? [path] : [];
    });
    this.#deleted.clear();
    return missing;
  }

  /** The lease is gone, and everything on it. @returns what was on it */
  clear(): readonly string[] {
    const paths = [...this.#written.keys()];
    this.#written.clear();
    this.#held.clear();
    this.permit([...this.#refused.keys()]);
    this.#deleted.clear();
    return paths;
  }

  #want(): void {
    this.#desired.clear();
    for (const entries of [this.#inherited, this.#published]) {
      for (const [path, value] of entries) {
        this.#desired.set(path, { value, shared: false });
      }
    }
    for (const [path, value] of this.#shared) {
      this.#desired.set(path, { value, shared: true });
    }
    this.#wantClaim();
    for (const path of this.#held.keys()) {
      if (this.#desired.get(path)?.shared !== true) {
        this.#held.delete(path);
      }
    }
    this.permit([...this.#refused.keys()].filter((path) => !this.#desired.has(path) && !this.#written.has(path)));
  }

  #wantClaim(): void {
    if (this.#claim !== undefined) {
      this.#desired.set(this.#claim, { value: this.#claimValue, shared: false });
    }
  }
}
