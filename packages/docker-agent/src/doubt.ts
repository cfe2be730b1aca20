import { type Clock, delay } from '@clusterf/daemon';
import type { Recollection } from './container.js';

export interface DoubtOptions {
  readonly clock: Clock;
  readonly recall: (since: number, until: number) => Promise<Recollection>;
  /** Docker's time when the stream was asked for. */
  readonly began: number;
  /** Docker's time of the newest event that streams have brought, or after which events were asked for. */
  readonly heard: () => number;
}

/** Milliseconds between two doubts, and that an event may be under way. */
const INTERVAL = 5_000;

/**
 * Doubts that the event stream tells everything. One may go deaf without an end: a connection that somebody on the way
 * has forgotten, a proxy that has lost its other half; and nothing but an event ever comes by it, so silence proves
 * nothing. But Docker remembers its last events, and what it told a while ago must have been heard here.
 *
 * Resolves when the signal aborts. @throws Error when the stream lacks something, or whatever keeps Docker from saying
 */
export async function doubt({ clock, recall, began, heard }: DoubtOptions, signal: AbortSignal): Promise<void> {
  for (let before = began; ; ) {
    await delay(clock, INTERVAL, signal);
    if (signal.aborted) return;
    const { events, now } = await recall(Math.min(heard(), before), before);
    if (events.some(({ time }) => time > heard())) throw new Error('the event stream lacks what docker has told');
    before = now;
  }
}
