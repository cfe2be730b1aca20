import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:tty';

/** The other screen, without a cursor and without lines that go on in the next. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
/** What else ends a program at a terminal: as its keys come here one by one, they are no signals any more. */
const INTERRUPT = '\u0003';
const END_OF_INPUT = '\u0004';

/**
 * The terminal as a whole, for as long as something is shown there. What stood on it before is back afterwards, however
 * the process ends.
 */
export class Screen extends EventEmitter<{ key: [string]; resize: []; quit: [] }> implements Disposable {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #restore = () => {
    this.#input.setRawMode(false);
    this.#output.write(LEAVE);
  };
  readonly #onKeys = (keys: string) => {
    for (const key of keys) {
      if (key === 'q' || key === INTERRUPT || key === END_OF_INPUT) this.emit('quit');
      else this.emit('key', key);
    }
  };
  readonly #onResize = () => this.emit('resize');
  readonly #onEnd = () => this.emit('quit');

  constructor(input: ReadStream, output: WriteStream) {
    super();
    this.#input = input;
    this.#output = output;
    output.write(ENTER);
    output.on('resize', this.#onResize);
    input.setRawMode(true).setEncoding('utf8');
    // A terminal that is gone reads as an end or an error, as it pleases.
    input.on('data', this.#onKeys).on('end', this.#onEnd).on('error', this.#onEnd);
    process.on('exit', this.#restore);
  }

  /** @param lines as many as there are; those that do not fit are left out, and the last line says how many */
  draw(lines: readonly string[], footer: string): void {
    const room = Math.max(1, this.#output.rows - 1);
    const hidden = lines.length - room;
    const shown = hidden > 0 ? lines.slice(0, room - 1) : lines;
    const more = hidden > 0 ? [`… ${hidden + 1} more lines`] : [];
    const all = [...shown, ...more, ...Array<string>(Math.max(0, room - lines.length)).fill(''), footer];
    const text = all.map((line) => line + CLEAR_LINE).join('\r\n');
    this.#output.write(`${HOME}${text}${CLEAR_BELOW}`);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#restore);
    this.#output.off('resize', this.#onResize);
    this.#input.off('data', this.#onKeys).off('end', this.#onEnd).off('error', this.#onEnd).pause();
    this.#restore();
  }
}
