import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, type Logger, toError } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import { StateFile, type StateFileOptions } from './state-file.js';

const NONE: readonly Problem[] = [];

/** All that the agent remembers across restarts: the files below `--state-dir`. */
export class StateDirectory {
  readonly #path: string | undefined;
  readonly #log: Logger;
  readonly #files: StateFile<unknown>[] = [];

  /** @param path undefined keeps the state in memory only */
  constructor(path: string | undefined, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** What an earlier run left. */
  async load<T>(options: Pick<StateFileOptions<T>, 'name' | 'schema' | 'empty'>): Promise<StateFile<T>> {
    const report = (text: string, error: unknown) => this.#log.warn(text, { error });
    const file = await StateFile.load({ ...options, directory: this.#path, report });
    this.#files.push(file);
    return file;
  }

  /** Writes again what could not be written, and what somebody has done away with: at every resync. */
  async verify(): Promise<void> {
    for (const file of this.#files) {
      const lost = await file.verify();
      if (lost !== undefined) this.#log.warn('state was removed or changed by somebody: written again', { file: lost });
    }
  }

  /** What could not be written, and why; the same array while there is none. */
  get problems(): readonly Problem[] {
    const problems = this.#files.flatMap(({ problem }) => problem ?? []);
    return problems.length === 0 ? NONE : problems;
  }

  /** Why nothing could be written, as far as can be told without writing; undefined if nothing speaks against it. */
  async obstacle(): Promise<string | undefined> {
    if (this.#path === undefined) return undefined;
    // The directory and its parent are made where they are missing.
    for (const path of [this.#path, dirname(this.#path), dirname(dirname(this.#path))]) {
      try {
        await access(path, constants.W_OK | constants.X_OK);
        return undefined;
      } catch (thrown) {
        const error = toError(thrown);
        if (errorCode(error) !== 'ENOENT') return error.message;
      }
    }
    return `there is no ${dirname(dirname(this.#path))}`;
  }
}
