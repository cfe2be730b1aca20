import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, toError } from '@clusterf/daemon';
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

/** A value that survives a restart. Written whole and renamed into place, so that a crash leaves the old or the new. */
export class StateFile<T> {
  readonly #directory: string | undefined;
  readonly #name: string;
  #value: T;
  /** Whether the file says the same. */
  #saved = true;

  private constructor(directory: string | undefined, name: string, value: T) {
    this.#directory = directory;
    this.#name = name;
    this.#value = value;
  }

  /** A missing file is a first start; an unreadable or damaged one is reported and counts as empty. */
  static async load<T>({ directory, name, schema, empty, report }: StateFileOptions<T>): Promise<StateFile<T>> {
    if (directory === undefined) return new StateFile<T>(undefined, name, empty);
    const file = join(directory, `${name}.json`);
    try {
      return new StateFile(directory, name, schema.parse(JSON.parse(await readFile(file, 'utf8'))));
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
    return this.#saved;
  }

  /** @throws the file system's error; the value counts all the same, and writing it again tries again */
  async write(value: T): Promise<void> {
    this.#value = value;
    if (this.#directory === undefined) return;
    this.#saved = false;
    await makeDirectory(dirname(this.#directory));
    await makeDirectory(this.#directory);
    const file = join(this.#directory, `${this.#name}.json`);
    await writeFile(`${file}.new`, `${JSON.stringify(value)}\n`);
    await rename(`${file}.new`, file);
    this.#saved = true;
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
