import type { SourceEvent } from './event.js';
import type { Problem } from './problem.js';
import type { Config } from './types.js';

/** What an event changed in the merged {@link Config}. */
export interface ConfigChange {
  /** Services whose frontend or backends differ now, gone ones included. */
  readonly services: ReadonlySet<string>;
  readonly routes: boolean;
  readonly sync: boolean;
}

export interface ConfigTreeOptions {
  /** `--filter-routes`: routes count only from sources whose URL starts so. */
  readonly filterRoutes?: string | undefined;
}

export interface EntryRef {
  /** The source's URL. */
  readonly source: string;
  readonly key: string;
}

export declare class ConfigTree {
  constructor(sources: readonly string[], options?: ConfigTreeOptions);
  apply(source: number, event: SourceEvent): ConfigChange;
  get config(): Config;
  get problems(): readonly Problem[];
  get quarantined(): readonly EntryRef[];
  get rejected(): readonly EntryRef[];
  get complete(): boolean;
}
