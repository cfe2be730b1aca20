import type { Engine } from './container.js';

/** Milliseconds; a container that was told to stop longer ago, before we were there, is taken for one that did not. */
export const FORMER_KILLS = 3_600_000;

/** Milliseconds: Docker's clock is told to the second before, and what happened in this one counts as well. */
const SECOND = 1_000;

export interface Kill {
  /** Of the container. */
  readonly id: string;
  readonly signal: number;
  /** Docker's. */
  readonly time: number;
}

/**
 * Who was sent a signal before anybody followed the events, as far as Docker remembers. Takes up to a second.
 *
 * @param now what Docker's clock says
 */
export async function formerKills(engine: Engine, now: number, signal: AbortSignal): Promise<readonly Kill[]> {
  const { events } = await engine.recall(now - FORMER_KILLS, now + SECOND, signal);
  return events.flatMap((event) =>
    event.type === 'container' && event.action === 'kill' && event.signal !== undefined
      ? [{ id: event.id, signal: event.signal, time: event.time }]
      : [],
  );
}
