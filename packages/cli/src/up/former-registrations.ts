import type { StateDirectory, StateFile } from '@clusterf/ipvs-agent';
import * as z from 'zod';

const NONE: Readonly<Record<string, string>> = {};

/**
 * What was registered in memory, for the next run to know: a container that Docker does not answer for at its start keeps
 * what it had, as it does where the tree is in etcd.
 */
export class FormerRegistrations implements AsyncDisposable {
  /** By path, as the run before left them. */
  readonly entries: ReadonlyMap<string, string>;
  readonly #file: StateFile<Readonly<Record<string, string>>>;
  #next: ReadonlyMap<string, string> | undefined;
  #writing: Promise<void> | undefined;

  private constructor(file: StateFile<Readonly<Record<string, string>>>) {
    this.#file = file;
    this.entries = new Map(Object.entries(file.value));
  }

  static async load(state: StateDirectory): Promise<FormerRegistrations> {
    const schema = z.record(z.string(), z.string());
    return new FormerRegistrations(await state.load({ name: 'registrations', schema, empty: NONE }));
  }

  /** Writes this soon; of several the newest. */
  save(entries: ReadonlyMap<string, string>): void {
    this.#next = entries;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when the newest is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      await this.#file.write(Object.fromEntries(next));
    }
  }
}
