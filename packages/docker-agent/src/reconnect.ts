import { Backoff, delay, toError, type Clock, type Logger } from '@clusterf/daemon';

export interface ReconnectOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** From connecting to the loss of the connection, by an error; calls back when all is known. */
  readonly session: (onKnown: () => void) => Promise<void>;
  /** What the loss means, for the log. */
  readonly meanwhile: () => string;
  /** Whether an error is no loss but ends everything. */
  readonly isFatal: (error: Error) => boolean;
}

/** A socket that nobody answers costs nothing to try; what dies before Docker is heard again keeps its weight. */
const DELAYS = { initial: 100, max: 2_000 };

/** Milliseconds of a connection that make it a success: who hangs up sooner again and again is asked at leisure. */
const STABLE = 5_000;

/** One session after the other, until the signal aborts. @throws the first fatal error */
export async function reconnect(options: ReconnectOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, session, meanwhile, isFatal } = options;
  const backoff = new Backoff(DELAYS);
  let complained = false;
  while (!signal.aborted) {
    let knownAt = Infinity;
    const onKnown = () => {
      knownAt = Math.min(knownAt, clock.now());
      if (complained) log.info('docker answers again');
      complained = false;
    };
    try {
      await session(onKnown);
    } catch (thrown) {
      const error = toError(thrown);
      if (isFatal(error)) throw error;
      if (signal.aborted) return;
      const wasStable = clock.now() - knownAt >= STABLE;
      if (wasStable) backoff.reset();
      // A connection that was cut and is there again at once is no trouble, and trouble that goes on is no news.
      const isNews: boolean = !wasStable && !complained && backoff.failures <= 1;
      complained ||= isNews;
      const retryInMs = Math.round(backoff.next());
      log[isNews ? 'warn' : 'debug'](`docker unavailable: ${meanwhile()}`, { error, retryInMs });
      await delay(clock, retryInMs, signal);
    }
  }
}
