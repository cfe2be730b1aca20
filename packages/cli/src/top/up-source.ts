import { delay, systemClock } from '@clusterf/daemon';
import type { Source, SourceEvent } from '@clusterf/store';
import { memoryOf, type RunningUp } from '../up/running.js';

/** Milliseconds: containers come and go, and their names are but a help. */
const INTERVAL = 5_000;

/** The tree in the memory of a `clusterf up` that runs here, asked for again and again. */
export class UpSource implements Source {
  readonly url = 'memory:';
  readonly #up: RunningUp;

  constructor(up: RunningUp) {
    this.#up = up;
  }

  async *events(signal: AbortSignal): AsyncGenerator<SourceEvent> {
    while (!signal.aborted) {
      const entries = await memoryOf(this.#up);
      if (entries !== undefined) yield { type: 'snapshot', entries };
      else yield { type: 'unavailable', error: new Error(`clusterf up, process ${this.#up.pid}, does not say`) };
      await delay(systemClock, INTERVAL, signal);
    }
  }
}
