import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { EXIT } from './errors.js';
import { flushed } from './flushed.js';

/** Standard output, as `process` has it. */
type StandardOutput = Writable & { readonly fd: number; readonly isTTY?: boolean };

/** What comes of what is printed: a reader who goes away may do so, a result that cannot be written is a failure. */
export class Output {
  readonly #stream: StandardOutput;
  #failure: Error | undefined;

  /** @param onEnd called when the first of what is printed gets nowhere, with the reason unless its reader just went */
  constructor(stream: StandardOutput, onEnd: (failure: Error | undefined) => void = () => {}) {
    this.#stream = stream;
    let ended = false;
    stream.on('error', (error) => {
      if (!isUnread(error, stream)) this.#failure ??= error;
      if (!ended) onEnd(this.#failure);
      ended = true;
    });
    if (fstatSync(stream.fd).isFile()) writeWhole(stream);
  }

  /** Resolves when all has gone out that can, or after 2 s. @returns why some of it has not */
  async end(): Promise<Error | undefined> {
    await flushed(this.#stream);
    // Errors are told a few turns after the write.
    await new Promise((resolve) => setImmediate(resolve));
    return this.#failure;
  }
}

/** Prints what is the whole of a command, as `--help` is. @returns the exit code */
export async function printAll(command: string, text: string): Promise<number> {
  const output = new Output(process.stdout);
  process.stdout.write(text);
  const failure = await output.end();
  if (failure === undefined) return EXIT.ok;
  process.stderr.write(`${command}: ${unwritten(failure)}\n`);
  return EXIT.failed;
}

export function unwritten(failure: Error): string {
  return `standard output: ${failure.message}`;
}

/** The reader of a pipe went, as `head` does, or the terminal. A socket, too, of whoever started us from Node. */
function isUnread(error: NodeJS.ErrnoException, { isTTY }: StandardOutput): boolean {
  return error.code === 'EPIPE' || error.code === 'ECONNRESET' || (error.code === 'EIO' && isTTY === true);
}

/**
 * A disk that fills up takes the beginning of what it is given, and Node leaves it at that: only the next write of the
 * rest fails.
 */
function writeWhole(stream: StandardOutput): void {
  // oxlint-disable-next-line no-underscore-dangle -- what those who implement a stream give it is called so
  stream._write = (chunk: Buffer, _encoding, done) => {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(stream.fd, chunk, at);
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  };
}
