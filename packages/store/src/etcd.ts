import { Backoff, type BackoffOptions, pause } from './backoff.js';
import { explainDenial } from './etcd-refusal.js';
import { keysBelow, readTree } from './etcd-tree.js';
import { watchTree } from './etcd-watch.js';
import type { Source, SourceEvent } from './source.js';
import { UnavailableError, wordsOf } from './unavailable-error.js';
import type { EtcdLocation, EtcdOptions } from './url.js';

/** Milliseconds; the defaults are for production. */
export interface EtcdSourceTiming {
  /** Until a request counts as failed; default 5000. */
  readonly timeout?: number | undefined;
  /** Between looks at whether the watch still tells everything; default 10,000. */
  readonly watchdog?: number | undefined;
  readonly backoff?: BackoffOptions | undefined;
}

/**
 * A tree in etcd: all of it, read at one revision, then a watch from the next. Whatever goes wrong (a lost
 * connection, a compaction, a watch that is cancelled or falls silent, a revision that went back) has one answer:
 * connect to the next member, read it all again. What has not changed is then no change to the merged tree.
 */
export function etcdSource(location: EtcdLocation, options: EtcdOptions = {}, timing: EtcdSourceTiming = {}): Source {
  return {
    url: location.url,
    events: (signal) => follow(location, options, timing, signal),
  };
}

async function* follow(
  location: EtcdLocation,
  options: EtcdOptions,
  timing: EtcdSourceTiming,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent> {
  const { hosts } = location;
  const backoff = new Backoff(timing.backoff);
  const first = Math.floor(Math.random() * hosts.length);
  let failures = 0;
  let told = '';
  for (let attempt = first; !signal.aborted; attempt++) {
    const host = hosts[attempt % hosts.length] ?? '';
    try {
      for await (const event of session(location, host, options, timing, backoff, signal)) {
        failures = 0;
        told = '';
        yield event;
      }
    } catch (error) {
      // Not before every member has had its turn, and no reason twice in a row.
      const reason = UnavailableError.from(`etcd ${host}`, error);
      const words = wordsOf(reason);
      if (++failures >= hosts.length && !signal.aborted && words !== told) {
        told = words;
        yield { type: 'unavailable', error: reason };
      }
      await pause(backoff.next(), signal);
    }
  }
}

/** One connection's worth of events; ends by throwing. */
async function* session(
  location: EtcdLocation,
  host: string,
  options: EtcdOptions,
  { timeout = 5000, watchdog = 10_000 }: EtcdSourceTiming,
  backoff: Backoff,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent> {
  // gRPC takes longer to load than everything else together: only who reads from etcd waits for it.
  const { connectEtcd } = await import('./etcd-connection.js');
  const connection = await connectEtcd(location, host, options, () => timeout, signal);
  const close = () => connection.close();
  signal.addEventListener('abort', close);
  try {
    signal.throwIfAborted();
    const range = keysBelow(location.prefix);
    const tree = await readTree(connection.kv, range);
    yield { type: 'snapshot', entries: tree.entries };
    for await (const changes of watchTree(connection, range, tree, watchdog, () => backoff.reset())) {
      yield { type: 'changes', changes };
    }
  } catch (error) {
    throw await explainDenial(error, connection, location, [{ access: 'read', path: '' }]);
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
