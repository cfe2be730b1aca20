import { Writable } from 'node:stream';

/**
 * Passes on in one write all that is written to it within one turn of the event loop: an agent that has just done ten
 * thousand operations has ten thousand lines to log, and to a file or a pipe every write is a system call that waits.
 */
export class LineBuffer extends Writable {
  readonly #stream: Writable;
  #lines: string[] = [];

  constructor(stream: Writable) {
    super({ decodeStrings: false });
    this.#stream = stream;
  }

  override _write(line: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#lines.push(line.toString()) === 1) setImmediate(() => this.flush());
    done();
  }

  /** Passes on what is here, without waiting for the end of the turn. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#stream.write(lines.join(''));
  }
}
