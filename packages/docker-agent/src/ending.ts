import { type Clock, delay, type Logger } from '@clusterf/daemon';
import { decodeBackend, encodeBackend, parseKey } from '@clusterf/model';
import type { Registrations } from '@clusterf/store';

export interface EndingOptions {
  /** Remove the registrations. */
  readonly exitFlush: boolean;
  /** Milliseconds to drain before that; absent = no drain. */
  readonly exitDrain: number | undefined;
}

/** Milliseconds that the weights may take to be written: where etcd is away, there is no use in waiting longer. */
const WRITTEN_WITHIN = 8_000;

/**
 * What becomes of the registrations when the agent is told to end.
 *
 * @param shared keys that stay as they are while connections drain
 * @throws {Error} if what was asked for could not be done; the registrations then go with their TTL
 */
export async function endRegistrations(
  writer: Registrations,
  shared: ReadonlyMap<string, string>,
  { exitFlush, exitDrain }: EndingOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  if (exitDrain !== undefined) {
    const entries = drained(writer.state.desired);
    log.info('draining', { registrations: entries.size, ms: exitDrain });
    writer.publish(entries, { shared });
    try {
      await writer.settled(AbortSignal.timeout(WRITTEN_WITHIN));
    } catch (error) {
      const { lastError } = writer.state;
      await writer.close();
      throw lastError ?? error;
    }
    // As long as the operator said: a second signal ends the process at once.
    await delay(clock, exitDrain, new AbortController().signal);
  }
  // By default the keys are left to their TTL: an upgraded agent is back before it ends, and nobody notices.
  await (exitFlush || exitDrain !== undefined ? writer.flush() : writer.close());
}

/** The same, with backends that get no new connections. */
export function drained(entries: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...entries].map(([path, text]) => [path, drainedValue(path, text)]));
}

function drainedValue(path: string, text: string): string {
  if (parseKey(path).kind !== 'backend') return text;
  const decoded = decodeBackend(text);
  return decoded.ok ? encodeBackend({ ...decoded.value, weight: 0 }) : text;
}
