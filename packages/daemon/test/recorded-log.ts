import { type Fields, type Logger, expandError } from '../src/logger.js';

/** A log that keeps its lines at once, as plain data, without times: what a test looks at. */
export class RecordedLog implements Logger {
  readonly lines: Record<string, unknown>[] = [];
  readonly error = this.#at('error');
  readonly warn = this.#at('warn');
  readonly info = this.#at('info');
  readonly debug = this.#at('debug');

  /** Every line as the JSON that a person would read. */
  get text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }

  with(): Logger {
    return this;
  }

  async close(): Promise<void> {}

  #at(level: string): Logger['info'] {
    return (message, fields) => void this.lines.push({ level, message, ...plain(fields ?? {}) });
  }
}

function plain(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? expandError(value, false) : value]),
  );
}
