import { FailureError } from '@clusterf/daemon';
import { parseKey } from '@clusterf/model';
import type { EditableTree } from '@clusterf/store';
import { writeChanges } from '../tree/write-steps.js';

/** How many paths a message names. */
const NAMED = 3;

/** What is written first is there when what needs it comes: a frontend publishes the backends that it finds. */
const ORDER = ['route', 'backend', 'frontend'];

/**
 * Puts entries into a tree that has none of them. What is there already as it would be written stays.
 *
 * @returns how many were written
 * @throws {FailureError} if one is there and says something else: nothing is written
 * @throws as {@link writeChanges}
 */
export async function writeEntries(
  entries: ReadonlyMap<string, string>,
  tree: EditableTree,
  signal: AbortSignal,
): Promise<number> {
  const reading = await tree.read();
  const others = [...entries].filter(([path, text]) => {
    const found = reading.get(path);
    return found !== undefined && !isSame(found.value, text);
  });
  if (others.length > 0) {
    const more = others.length > NAMED ? ` and ${others.length - NAMED} more` : '';
    throw new FailureError(
      `${others
        .slice(0, NAMED)
        .map(([path]) => path)
        .join(', ')}${more} in ${tree.url} say something else; nothing was ` +
        'written. Leave out --write and look: clusterf apply -f FILE replaces entries',
    );
  }
  const missing = [...entries].filter(([path]) => !reading.has(path)).toSorted(([a], [b]) => rank(a) - rank(b));
  await writeChanges(tree, new Map(missing), reading, signal);
  return missing.length;
}

function rank(path: string): number {
  return ORDER.indexOf(parseKey(path).kind);
}

function isSame(found: string, text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(found)) === JSON.stringify(JSON.parse(text));
  } catch {
    return found === text;
  }
}
