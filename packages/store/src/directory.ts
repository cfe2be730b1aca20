import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** No key has more parts; it also ends loops of symbolic links. */
export const MAX_DEPTH = 6;

/** etcd takes requests of 1.5 MiB at most; an entry is a few hundred bytes. */
export const MAX_BYTES = 1_048_576;

export interface Scan {
  /** By path relative to the directory, with slashes. */
  readonly entries: Map<string, string>;
  /** Every directory that was looked into, the root included. */
  readonly directories: ReadonlySet<string>;
}

/**
 * Reads a directory tree; symbolic links are followed, hidden files and editors' backups passed over.
 *
 * What cannot be read stands as a text that says why. No decoder takes it, so such an entry is quarantined with its
 * last good value, as any bad one is; leaving it out would delete it.
 *
 * @throws {Error} if the root cannot be listed
 */
export async function scanDirectory(root: string): Promise<Scan> {
  const entries = new Map<string, string>();
  const directories = new Set<string>();

  async function scan(directory: string, prefix: string, depth: number): Promise<void> {
    directories.add(directory);
    for (const name of (await readdir(directory)).toSorted()) {
      if (isIgnored(name)) {
        continue;
      }
      const path = join(directory, name);
      try {
        const found = await stat(path);
        if (found.isFile()) {
          entries.set(prefix + name, found.size > MAX_BYTES ? tooLarge(found.size) : await readText(path));
        } else if (found.isDirectory() && depth < MAX_DEPTH) {
          await scan(path, `${prefix}${name}/`, depth + 1);
        }
      } catch (error) {
        const code = codeOf(error);
        // Gone since it was listed: an editor's temporary file, or one that was just replaced.
        if (code !== 'ENOENT') {
          entries.set(prefix + name, `unreadable: ${code ?? String(error)}`);
        }
      }
    }
  }

  await scan(root, '', 1);
  return { entries, directories };
}

export function isIgnored(name: string): boolean {
  return name.startsWith('.') || name.endsWith('~');
}

function tooLarge(size: number): string {
  return `unreadable: ${size} bytes, more than ${MAX_BYTES}`;
}

/** At most one byte more than the limit, however large the file has grown since it was looked at. */
async function readText(path: string): Promise<string> {
  await using file = await open(path);
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) {
      return length > MAX_BYTES ? tooLarge(length) : buffer.toString('utf8', 0, length);
    }
  }
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
