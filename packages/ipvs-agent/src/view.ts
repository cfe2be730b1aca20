import { isBug, type Logger } from '@clusterf/daemon';
import type { Failure, Kernel } from './apply.js';
import { virtualServiceOf } from './diff.js';
import { driftOf, type Found, walkTable } from './drift.js';
import type { Ownership } from './ownership.js';
import type { Desired } from './plan.js';
import type { Report } from './report.js';
import { type MutableTable, recognise } from './table.js';

export interface KernelViewParts {
  readonly kernel: Kernel;
  /** What should be there: a live view. */
  readonly desired: Desired;
  readonly ownership: Ownership;
  readonly report: Report;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Something of ours is not as it was known to be. */
  readonly onDrift: (key: string) => void;
  /** Nothing is known any more. */
  readonly onLost: () => void;
}

/**
 * What the kernel holds, as far as is known: dumped once, kept up to date by what the kernel acknowledges, and held
 * against the kernel itself now and then.
 */
export class KernelView {
  readonly #parts: KernelViewParts;
  /** Absent = to be dumped. */
  #actual: MutableTable | undefined;
  /** Virtual services that passes have changed since the walk of the table began. */
  readonly #touched = new Set<string>();
  #walking = false;

  constructor(parts: KernelViewParts) {
    this.#parts = parts;
  }

  /** What is known, undefined before it is read. */
  get known(): MutableTable | undefined {
    return this.#actual;
  }

  /** What is known, or what a dump says; then `onDump` is told of every virtual service that is there or should be. */
  async look(onDump: (key: string) => void): Promise<MutableTable> {
    if (this.#actual !== undefined) return this.#actual;
    const { kernel, desired } = this.#parts;
    const actual = await kernel.dump();
    for (const key of desired.keys()) onDump(key);
    for (const [key, entry] of actual) {
      actual.set(key, recognise(entry, desired.get(key)));
      onDump(key);
    }
    this.#actual = actual;
    return actual;
  }

  /** Nobody knows any more what the kernel holds: the next pass begins with a dump. */
  forget(): void {
    this.#actual = undefined;
  }

  /** A pass is about to change this virtual service: what a walk has read of it is older than that. */
  touch(key: string): void {
    this.#touched.add(key);
  }

  /** Reads the virtual services again of which an operation was refused. */
  async reread(actual: MutableTable, failures: readonly Failure[]): Promise<void> {
    const { kernel, desired } = this.#parts;
    for (const [key, id] of new Map(failures.map(({ op }) => [op.key, virtualServiceOf(op)]))) {
      const entry = await kernel.dumpService(id);
      if (entry === undefined) actual.delete(key);
      else actual.set(key, recognise(entry, desired.get(key)));
    }
  }

  /** Looks, beside the passes, for what others have changed; a pass then mends it. */
  async walk(actual: MutableTable): Promise<void> {
    if (this.#walking) return;
    this.#walking = true;
    const { kernel, log, signal } = this.#parts;
    try {
      for await (const found of walkTable(kernel, actual, this.#touched, signal)) {
        if (this.#actual !== actual) return; // It was dumped anew.
        this.#compare(actual, found);
      }
      this.reportForeign();
    } catch (error) {
      if (isBug(error)) throw error;
      log.warn('the kernel table could not be looked through for what others changed: it is read anew', { error });
      this.forget(); // IPVS itself may have been unloaded and loaded again.
      this.#parts.onLost();
    } finally {
      this.#walking = false;
    }
  }

  /** Virtual services that neither the tree names nor we made. */
  get foreign(): readonly string[] {
    const { desired, ownership } = this.#parts;
    return [...(this.#actual?.keys() ?? [])].filter((key) => !ownership.has(key) && !desired.has(key)).toSorted();
  }

  reportForeign(): void {
    const { log, report } = this.#parts;
    const virtualServices = this.foreign;
    report.once('foreign', virtualServices.join('\n'), () =>
      log.info('virtual services that are not ours are left alone', { virtualServices }),
    );
  }

  #compare(actual: MutableTable, { key, entry }: Found): void {
    const { desired, onDrift, ownership, report } = this.#parts;
    const known = actual.get(key);
    const ours = ownership.has(key);
    const drifts = ours && known !== undefined ? driftOf(key, known, entry) : [];
    for (const drift of drifts) report.drifted(drift);
    if (ours && known !== undefined && drifts.length === 0) return;
    if (entry === undefined) actual.delete(key);
    else actual.set(key, recognise(entry, known));
    if (ours || desired.has(key)) onDrift(key);
  }
}
