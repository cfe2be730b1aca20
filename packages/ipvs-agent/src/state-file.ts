import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, toError } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { z } from 'zod';

export interface StateFileOptions<T> {
  /** `--state-dir`; undefined keeps the state in memory only. */
  readonly directory: string | undefined;
  /** The file is `<name>.json`. */
  readonly name: string;
  readonly schema: z.ZodType<T>;
  /** What counts when there is no file, or none that can be read. */
  readonly empty: T;
  /** Told of a file that is there and cannot be read. */
  readonly report: (message: string, error: unknown) => void;
}

/**
 * A value that survives a restart. Written whole and renamed into place, so that a crash leaves the old or the new. One
 * that cannot be written is a problem, and counts all the same.
 */
export class StateFile<T> {
  readonly #directory: string | undefined;
  readonly #name: string;
  #value: T;
  /** Why the file does not say the same; undefined if it does. */
  #unsaved: string | undefined;
  /** How we left the file, or found it: another one would differ. Undefined if there was none. */
  #left: string | undefined;

  private constructor(directory: string | undefined, name: string, value: T, left?: string) {
    this.#directory = directory;
    this.#name = name;
    this.#value = value;
    this.#left = left;
  }

  /** A missing file is a first start; an unreadable or damaged one is reported and counts as empty. */
  static async load<T>({ directory, name, schema, empty, report }: StateFileOptions<T>): Promise<StateFile<T>> {
    if (directory === undefined) return new StateFile<T>(undefined, name, empty);
    const file = join(directory, `${name}.json`);
    try {
      const value = schema.parse(JSON.parse(await readFile(file, 'utf8')));
      return new StateFile(directory, name, value, await look(file));
    } catch (error) {
      if (errorCode(toError(error)) !== 'ENOENT')
        report(`${file}: unreadable, so what an earlier run left is not known`, error);
      return new StateFile(directory, name, empty);
    }
  }

  get value(): T {
    return this.#value;
  }

  /** Whether what was written last has reached the file. */
  get saved(): boolean {
    return this.#unsaved === undefined;
  }

  get problem(): Problem | undefined {
    if (this.#unsaved === undefined) return undefined;
    const message = `not written, so a restarted agent may not recognise its own: ${this.#unsaved}`;
    return { source: 'state', key: `${this.#name}.json`, message };
  }

  /** Writes the value. If it cannot be written it counts all the same, and the next call tries again. */
  async write(value: T): Promise<void> {
    this.#value = value;
    if (this.#directory === undefined) return;
    try {
      await makeDirectory(dirname(this.#directory));
      await makeDirectory(this.#directory);
      const file = join(this.#directory, `${this.#name}.json`);
      await writeFile(`${file}.new`, `${JSON.stringify(value)}\n`);
      await rename(`${file}.new`, file);
      this.#left = await look(file);
      this.#unsaved = undefined;
    } catch (error) {
      this.#unsaved = toError(error).message;
    }
  }

  /**
   * Writes the value again where it could not be written, or where somebody has done away with the file.
   *
   * @returns the file that somebody removed or changed
   */
  async verify(): Promise<string | undefined> {
    if (this.#directory === undefined || (this.saved && this.#left === undefined)) return undefined;
    const file = join(this.#directory, `${this.#name}.json`);
    const lost = this.saved && (await look(file)) !== this.#left;
    if (lost || !this.saved) await this.write(this.#value);
    return lost ? file : undefined;
  }
}

/** Tells one file from another of its name, and from itself changed; undefined if it cannot be seen. */
async function look(file: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs, size } = await stat(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return undefined;
  }
}

/** Not recursively: under /proc and the like Node's recursive mkdir never returns. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (errorCode(toError(error)) !== 'EEXIST') throw error;
  }
}
