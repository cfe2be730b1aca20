import { parseKey } from '@clusterf/model';

type Entries = ReadonlyMap<string, string>;

/**
 * Follows each event from its arrival to what comes of it in etcd: heard of → asked for → known → told → written. Times
 * are milliseconds of any clock. Of several events of one container on the same way, the first counts.
 */
export class Arrivals {
  /** By container. */
  readonly #heard = new Map<string, number>();
  readonly #known = new Map<string, number>();
  /** By key. */
  readonly #told = new Map<string, number>();

  /** An event has arrived that has to be asked about. */
  heard(id: string, now: number): void {
    if (!this.#heard.has(id)) this.#heard.set(id, now);
  }

  /** Docker is asked about the container. @returns when what is asked about was heard of */
  asked(id: string): number | undefined {
    const arrival = this.#heard.get(id);
    this.#heard.delete(id);
    return arrival;
  }

  /** What Docker says of the container is known, or the event said it all. */
  known(id: string, arrival: number): void {
    this.#known.set(id, Math.min(arrival, this.#known.get(id) ?? arrival));
  }

  /** All that is known is in what is to be written now. Of most events nothing comes. */
  told(before: Entries, now: Entries): void {
    if (this.#known.size === 0) return;
    for (const [path, value] of now) if (before.get(path) !== value) this.#changed(path);
    for (const path of before.keys()) if (!now.has(path)) this.#changed(path);
    this.#known.clear();
  }

  /** etcd has it as it was told. @returns when that was heard of; undefined if no event was the reason */
  written(path: string): number | undefined {
    const arrival = this.#told.get(path);
    this.#told.delete(path);
    return arrival;
  }

  /** The stream is lost; what is not asked about yet is found by listing. */
  lost(): void {
    this.#heard.clear();
  }

  #changed(path: string): void {
    const key = parseKey(path);
    const arrival = key.kind === 'backend' ? this.#known.get(key.backend) : undefined;
    if (arrival === undefined) this.#told.delete(path);
    else this.#told.set(path, Math.min(arrival, this.#told.get(path) ?? arrival));
  }
}
