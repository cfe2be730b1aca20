import type { SourceEvent } from '@clusterf/model';

export type { SourceEvent } from '@clusterf/model';

/**
 * A source of configuration entries. Paths are relative to the source's prefix (`services/web/frontend`),
 * values are the raw text; decoding is the model's.
 */
export interface Source {
  /** Canonical URL, as problems, logs and `--filter-routes` name it: `etcd+http://h1:2379,h2:2379/clusterf`. */
  readonly url: string;

  /**
   * Everything, then every change, until the signal aborts. The first event that carries data is always a
   * snapshot. An unreachable source yields `unavailable` and is retried with backoff for ever: the stream
   * never throws for an outside failure and never ends of itself.
   */
  events(signal: AbortSignal): AsyncIterable<SourceEvent>;
}
