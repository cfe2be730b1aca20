import { type Clock, delay, FailureError, formatDuration } from '@clusterf/daemon';
import type { EditableTree } from '@clusterf/store';
import { type Drained, known } from './known.js';
import { progressOf } from './progress.js';
import { describe } from './target.js';

export interface WaitOptions {
  /** Milliseconds. */
  readonly limit: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told what is waited for, each time that changes. */
  readonly onNews: (message: string) => void;
}

/** Milliseconds between looks: balancers tell news of themselves every two seconds at most. */
const INTERVAL = 1000;

/**
 * Waits until nothing of what is drained goes on any more.
 *
 * @throws {FailureError} when its time is up or the signal aborts, or if nobody can tell; what is drained stays so
 */
export async function waitFor(target: Drained, tree: EditableTree, options: WaitOptions): Promise<void> {
  const { clock, limit, onNews, signal } = options;
  const end = clock.now() + limit;
  let told = '';
  for (;;) {
    const { balancers } = known(await tree.read('balancers'));
    const progress = progressOf(target, balancers);
    if (progress.state === 'done') return;
    const { message, state } = progress;
    if (state === 'unknown')
      throw new FailureError(`cannot wait: ${message}. ${describe(target)} is drained all the same`);
    if (message !== told) onNews(message);
    told = message;
    const left = end - clock.now();
    if (left <= 0)
      throw new FailureError(`not done after ${formatDuration(limit)}: ${message}. ${describe(target)} stays drained`);
    await delay(clock, Math.min(INTERVAL, left), signal);
    if (signal.aborted) throw new FailureError(`no longer waiting: ${message}. ${describe(target)} stays drained`);
  }
}
