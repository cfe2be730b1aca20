import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const FILE = 'owned.json';
const State = z.object({ version: z.literal(1), virtualServices: z.array(z.string()) });

/**
 * Which virtual services are ours, by `virtualServiceKey`, remembered across restarts: what the tree dropped while
 * the agent was away is still deleted, and what somebody else put into the kernel is not.
 */
export class Ownership {
  readonly #file: string | undefined;
  #owned: ReadonlySet<string>;
  /** Whether the file says so too. */
  #saved = true;

  private constructor(file: string | undefined, owned: ReadonlySet<string>) {
    this.#file = file;
    this.#owned = owned;
  }

  /**
   * Reads the state directory. A missing file is a first start; an unreadable or damaged one is reported and
   * counts as empty, which errs on the side of deleting nothing.
   */
  static async load(
    directory: string | undefined,
    report: (message: string, error: unknown) => void,
  ): Promise<Ownership> {
    if (directory === undefined) return new Ownership(undefined, new Set());
    const file = join(directory, FILE);
    try {
      return new Ownership(file, new Set(State.parse(JSON.parse(await readFile(file, 'utf8'))).virtualServices));
    } catch (error) {
      if (!hasCode(error, 'ENOENT'))
        report(`${file}: unreadable, virtual services of an earlier run are not recognised as ours`, error);
      return new Ownership(file, new Set());
    }
  }

  has(key: string): boolean {
    return this.#owned.has(key);
  }

  /** All of them. */
  get keys(): ReadonlySet<string> {
    return this.#owned;
  }

  /**
   * From now on exactly these. Written whole and renamed into place, so that a crash leaves the old or the new.
   *
   * @throws the file system's error; what is owned is updated all the same, and the next call tries again
   */
  async replace(keys: ReadonlySet<string>): Promise<void> {
    const same = keys.size === this.#owned.size && [...keys].every((key) => this.#owned.has(key));
    if (same && this.#saved) return;
    this.#owned = new Set(keys);
    this.#saved = this.#file === undefined;
    if (this.#file === undefined) return;
    const state: z.infer<typeof State> = { version: 1, virtualServices: [...keys].toSorted() };
    await makeDirectory(dirname(this.#file));
    await writeFile(`${this.#file}.new`, `${JSON.stringify(state)}\n`);
    await rename(`${this.#file}.new`, this.#file);
    this.#saved = true;
  }
}

/** Not recursively: under /proc and the like Node's recursive mkdir never returns. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
