import { FailureError, toError } from '@clusterf/daemon';
import { type EditableTree, type Reading, type TreeChanges, transactions } from '@clusterf/store';
import { onOneLine } from '../output.js';
import { difference } from './difference.js';
import { changesOf, type Step } from './proposal.js';

/** Does what is to be done. @throws as {@link writeChanges} */
export async function writeSteps(
  tree: EditableTree,
  steps: readonly Step[],
  reading: Reading,
  signal: AbortSignal,
): Promise<void> {
  await writeChanges(tree, changesOf(steps), reading, signal);
}

/**
 * Writes changes of any number, in as few transactions as it takes.
 *
 * @throws {FailureError} if one of several failed, or somebody interrupts it: it says how many had been done
 * @throws what `write` does, if it was the only one
 */
export async function writeChanges(
  tree: EditableTree,
  changes: TreeChanges,
  reading: Reading,
  signal: AbortSignal,
): Promise<void> {
  let done = 0;
  for (const portion of transactions(changes)) {
    const soFar = `${done} of ${changes.size} changes`;
    if (signal.aborted) throw new FailureError(`interrupted: ${soFar} were made`);
    try {
      await tree.write(portion, reading);
    } catch (thrown) {
      const cause = toError(thrown);
      if (signal.aborted)
        throw new FailureError(
          `interrupted: ${soFar} were made; whether the next ${portion.size} were is not known: look at it again`,
          { cause },
        );
      if (done === 0) throw cause;
      throw new FailureError(`${soFar} were made, then: ${cause.message}`, { cause });
    }
    done += portion.size;
  }
}

/** Tells what was done, or on a dry run what would be. */
export function tellSteps(steps: readonly Step[], dryRun: boolean): void {
  const suffix = dryRun ? ' (dry run)' : '';
  process.stdout.write(steps.map((step) => `${onOneLine(stepLine(step))}${suffix}\n`).join(''));
}

/** `changed services/web/frontend: tcp 80 → 81` */
export function stepLine({ what, path, before, after }: Step): string {
  const details = what === 'changed' && before !== undefined && after !== undefined ? difference(before, after) : '';
  return `${what} ${path}${details === '' ? '' : `: ${details}`}`;
}
