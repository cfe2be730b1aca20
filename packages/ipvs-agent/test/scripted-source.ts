import type { Source, SourceEvent } from '@clusterf/store';

/** A source that says what a test tells it to, when it tells it to. */
export class ScriptedSource implements Source {
  readonly url: string;
  readonly #events: SourceEvent[] = [];
  #wake: () => void = () => {};

  constructor(url = 'memory:test') {
    this.url = url;
  }

  snapshot(entries: Readonly<Record<string, unknown>>): void {
    const text = Object.entries(entries).map(([key, value]): [string, string] => [key, encode(value)]);
    this.#say({ type: 'snapshot', entries: new Map(text) });
  }

  /** `undefined` deletes. */
  change(changes: Readonly<Record<string, unknown>>): void {
    const text = Object.entries(changes).map(([key, value]): [string, string | undefined] => [
      key,
      value === undefined ? undefined : encode(value),
    ]);
    this.#say({ type: 'changes', changes: new Map(text) });
  }

  unavailable(message: string): void {
    this.#say({ type: 'unavailable', error: new Error(message) });
  }

  async *events(signal: AbortSignal): AsyncIterable<SourceEvent> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    while (!signal.aborted) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else
        await Promise.race([
          aborted,
          new Promise<void>((resolve) => {
            this.#wake = resolve;
          }),
        ]);
    }
  }

  #say(event: SourceEvent): void {
    this.#events.push(event);
    this.#wake();
  }
}

/** Text as it is, anything else as JSON. */
function encode(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
