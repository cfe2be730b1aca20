import { closeSync, openSync, readFileSync, readSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from './errorCode.js';

/**
 * Resolves with a file's text once it ends in a newline, which is the last that its writer puts there. Other files of its
 * directory may be followed meanwhile: `onChange` is called whenever something there changes.
 * @throws the signal's reason
 */
export async function completeLine(path: string, signal: AbortSignal, onChange?: () => void): Promise<string> {
  signal.throwIfAborted();
  const ended = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          onChange?.();
          const text = ifThere(() => readFileSync(path, 'utf8'));
          if (text?.endsWith('\n')) resolve(text.trimEnd());
        } catch (error) {
          reject(error);
        }
      };
      signal.addEventListener('abort', () => reject(signal.reason), { signal: ended.signal });
      watch(dirname(path), { signal: ended.signal }, look).on('error', reject);
      look();
    });
  } finally {
    ended.abort();
    // What came last may have come with the line itself.
    onChange?.();
  }
}

/** Reads a file on from where it was read before, while it is being written. */
export class Tail {
  readonly #path: string;
  #descriptor: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What has been written since the last call. The file is in memory, so this blocks nothing for long. */
  read(): Buffer {
    this.#descriptor ??= ifThere(() => openSync(this.#path, 'r'));
    const chunks: Buffer[] = [];
    while (this.#descriptor !== undefined) {
      const chunk = Buffer.alloc(65_536);
      const bytes = readSync(this.#descriptor, chunk);
      if (bytes === 0) break;
      chunks.push(chunk.subarray(0, bytes));
    }
    return Buffer.concat(chunks);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function ifThere<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
