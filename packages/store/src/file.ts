import { type FSWatcher, watch } from 'node:fs';
import { pause } from './backoff.js';
import { scanDirectory, type Scan } from './directory.js';
import type { Source, SourceEvent } from './source.js';
import { Trigger } from './trigger.js';
import { UnavailableError } from './unavailable-error.js';
import type { FileLocation } from './url.js';

/** Milliseconds. */
export interface FileSourceTiming {
  /** Between looks at the directory when nothing seems to happen; default 2000. */
  readonly rescan?: number | undefined;
  /** From the first sign of a change to the look at it, so that a burst is one event; default 50. */
  readonly settle?: number | undefined;
}

/**
 * A tree of files: the path is the key, the content the value, byte for byte what etcd would have. Notifications
 * of the system only say when to look; since they may be lost (and there are none on some file systems), the
 * directory is looked at every now and then anyway.
 */
export function fileSource(location: FileLocation, timing: FileSourceTiming = {}): Source {
  return { url: location.url, events: (signal) => follow(location, timing, signal) };
}

async function* follow(
  { url, path }: FileLocation,
  { rescan = 2000, settle = 50 }: FileSourceTiming,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent> {
  using watches = new DirectoryWatches();
  /** What was told; undefined before the first snapshot, and while the directory is not there. */
  let told: ReadonlyMap<string, string> | undefined;
  let unavailable = false;
  while (!signal.aborted) {
    try {
      const scan = await scanWatched(path, watches);
      const entries = asBeforeWhereEmpty(scan.entries, told);
      const changes = told && difference(told, entries);
      told = entries;
      unavailable = false;
      if (changes === undefined) {
        yield { type: 'snapshot', entries };
      } else if (changes.size > 0) {
        yield { type: 'changes', changes };
      }
    } catch (error) {
      told = undefined;
      if (!unavailable) {
        unavailable = true;
        yield { type: 'unavailable', error: UnavailableError.from(url, error) };
      }
    }
    await watches.changed.wait(rescan, signal);
    await pause(settle, signal);
  }
}

/**
 * Who writes a file in place empties it first, and there is nothing that an empty one could say: until there is more in
 * it, what it said before stays, and one that is new is not there yet.
 */
function asBeforeWhereEmpty(
  entries: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, string> {
  const full = [...entries].map(([path, text]) => [path, text === '' ? before?.get(path) : text] as const);
  return new Map(full.flatMap(([path, text]) => (text === undefined ? [] : [[path, text]])));
}

/** A scan after which every directory seen is watched. */
async function scanWatched(path: string, watches: DirectoryWatches): Promise<Scan> {
  const scan = await scanDirectory(path);
  // What happened in a new directory before its watch was there is seen by looking again.
  return watches.follow(scan.directories) ? await scanDirectory(path) : scan;
}

function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Map<string, string | undefined> {
  const changes = new Map<string, string | undefined>();
  for (const path of before.keys()) {
    if (!after.has(path)) {
      changes.set(path, undefined);
    }
  }
  for (const [path, text] of after) {
    if (before.get(path) !== text) {
      changes.set(path, text);
    }
  }
  return changes;
}

/** One watch a directory: Node's recursive ones miss changes on Linux. */
class DirectoryWatches {
  readonly changed = new Trigger();
  readonly #watchers = new Map<string, FSWatcher>();

  /** @returns whether there are new ones */
  follow(directories: ReadonlySet<string>): boolean {
    for (const directory of this.#watchers.keys()) {
      if (!directories.has(directory)) {
        this.#drop(directory);
      }
    }
    const added = [...directories].filter((directory) => !this.#watchers.has(directory));
    for (const directory of added) {
      this.#add(directory);
    }
    return added.length > 0;
  }

  [Symbol.dispose](): void {
    for (const directory of this.#watchers.keys()) {
      this.#drop(directory);
    }
  }

  #add(directory: string): void {
    try {
      const watcher = watch(directory, (type) => {
        // A directory that was moved or removed is not watched any longer, though one of its name may be there.
        if (type === 'rename') {
          this.#drop(directory);
        }
        this.changed.fire();
      });
      watcher.on('error', () => this.#drop(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      // Gone again, or no more watches to be had: the regular look will do.
    }
  }

  #drop(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
