import { lstat, mkdir, open, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { checkName } from '@clusterf/model';
import { isIgnored, MAX_BYTES, MAX_DEPTH, scanDirectory } from './directory.js';
import {
  ConflictError,
  type EditableTree,
  type Reading,
  refuseTooMany,
  RefusedError,
  type TreeChanges,
} from './editable-tree.js';
import { fileSource } from './file.js';
import { UnavailableError } from './unavailable-error.js';
import type { FileLocation } from './url.js';

/** A file that is written beside the one it is to replace. */
interface Replacement {
  readonly file: string;
  readonly temporary: string;
}

/**
 * A tree of files to be edited. Nobody ever sees half a file: each is written beside its place and renamed into it.
 * Nothing outside of the directory is touched, wherever symbolic links in it lead.
 */
export function editableDirectory(location: FileLocation): EditableTree {
  const { url, path: root } = location;

  async function read(path = ''): Promise<Reading> {
    const entries = [...(await scan(root))].filter(([at]) => path === '' || at === path || at.startsWith(`${path}/`));
    return new Map(entries.map(([at, value]) => [at, { value }]));
  }

  async function write(changes: TreeChanges, reading: Reading): Promise<void> {
    refuseTooMany(changes);
    for (const [path, value] of changes) {
      refuseUnreadable(path, value);
    }
    const now = await scan(root);
    const foreign = [...changes.keys()].filter((path) => now.get(path) !== reading.get(path)?.value);
    if (foreign.length > 0) {
      throw new ConflictError(foreign);
    }
    const effective = [...changes].filter(([path, value]) => value !== undefined || now.has(path));
    const realRoot = await realpath(root);
    const replacements: Replacement[] = [];
    try {
      for (const [path, value] of effective) {
        const file = await placeOf(realRoot, path, value !== undefined);
        if (value !== undefined) {
          replacements.push(await writeBeside(file, value, replacements.length));
        }
      }
      for (const { file, temporary } of replacements) {
        await rename(temporary, file);
      }
    } catch (error) {
      await Promise.all(replacements.map(async ({ temporary }) => await rm(temporary, { force: true })));
      throw error;
    }
    for (const [path, value] of effective) {
      if (value === undefined) {
        await remove(realRoot, path);
      }
    }
  }

  return {
    url,
    events: (signal) => fileSource(location).events(signal),
    read,
    leaseTimes: async () => new Map(), // A file is on no lease.
    write,
    [Symbol.dispose]() {},
  };
}

async function scan(root: string): Promise<ReadonlyMap<string, string>> {
  try {
    return (await scanDirectory(root)).entries;
  } catch (error) {
    throw UnavailableError.from(`directory ${root}`, error);
  }
}

/** @throws {RefusedError} for what no source would read from a directory */
function refuseUnreadable(path: string, value: string | undefined): void {
  const parts = path.split('/');
  for (const name of parts) {
    const checked = checkName(name);
    if (!checked.ok) {
      throw new RefusedError(`${path}: ${checked.message}`);
    }
    if (value !== undefined && isIgnored(name)) {
      throw new RefusedError(
        `${path}: ${JSON.stringify(name)} would not be read; expected a file name that neither begins with "." nor ends with "~"`,
      );
    }
  }
  if (parts.length > MAX_DEPTH) {
    throw new RefusedError(`${path} has ${parts.length} parts; expected at most ${MAX_DEPTH}`);
  }
  if (value !== undefined && Buffer.byteLength(value) > MAX_BYTES) {
    throw new RefusedError(`${path}: the value has ${Buffer.byteLength(value)} bytes; expected at most ${MAX_BYTES}`);
  }
}

/**
 * Where a path's file is, its directory made if asked for.
 *
 * @throws {RefusedError} if that is out of the root, or no file
 */
async function placeOf(realRoot: string, path: string, make: boolean): Promise<string> {
  const names = path.split('/');
  let directory = realRoot;
  for (const name of names.slice(0, -1)) {
    const next = join(directory, name);
    if (make) {
      await mkdir(next).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') {
          throw error;
        }
      });
    }
    directory = await realpath(next);
    if (!`${directory}${sep}`.startsWith(`${realRoot}${sep}`)) {
      throw new RefusedError(`${path}: ${next} leads out of ${realRoot}, to ${directory}`);
    }
  }
  const file = join(directory, names.at(-1) ?? '');
  const found = await lstatIfThere(file);
  if (found !== undefined && !found.isFile()) {
    const what = found.isDirectory() ? 'a directory' : found.isSymbolicLink() ? 'a symbolic link' : 'no regular file';
    throw new RefusedError(`${path}: ${file} is ${what}; expected a file`);
  }
  return file;
}

/** On the disk before it is renamed: else a power cut might leave an empty file. */
async function writeBeside(file: string, value: string, index: number): Promise<Replacement> {
  const mode = (await lstatIfThere(file))?.mode;
  // Hidden, so that no source reads it. Not made of the name, which may be as long as names get.
  const temporary = join(dirname(file), `.clusterf-${process.pid}-${index}`);
  await rm(temporary, { force: true });
  await using handle = await open(temporary, 'wx');
  try {
    await handle.writeFile(value);
    if (mode !== undefined) {
      await handle.chmod(mode & 0o777);
    }
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return { file, temporary };
}

/** And the directories that are empty then. */
async function remove(realRoot: string, path: string): Promise<void> {
  const file = await placeOf(realRoot, path, false);
  await rm(file, { force: true });
  for (let directory = dirname(file); directory !== realRoot; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch {
      return;
    }
  }
}

async function lstatIfThere(file: string) {
  try {
    return await lstat(file);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
