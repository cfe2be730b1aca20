import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root, for the sources (test/lab) and what is compiled from them (test/dist/lab) alike. */
export function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package-lock.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`${fileURLToPath(import.meta.url)} is in no checkout of clusterf`);
    directory = parent;
  }
  return directory;
}

/** A file of test/lab that is not compiled. */
export function labFile(name: string): string {
  return join(projectRoot(), 'test', 'lab', name);
}

/** The one directory of the project that a machine may write to, where there is one that we may write to. */
export function cacheDirectory(): string | undefined {
  const directory = join(projectRoot(), 'node_modules', '.cache');
  try {
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    return undefined;
  }
}
