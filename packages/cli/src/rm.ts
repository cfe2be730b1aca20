import { defineCommand, type Environment, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import type { Reading } from '@clusterf/store';
import { complain, inWords } from './tree/in-words.js';
import { isAtOrBelow, refuseBadNames, relativePath } from './tree/path.js';
import type { Step } from './tree/proposal.js';
import { openOneTree, treeOptions } from './tree/tree-options.js';
import { tellSteps, writeSteps } from './tree/write-steps.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf rm',
  summary:
    'Removes entries from the configuration tree.\n\n' +
    'PATH is one entry, or with --recursive all that is below it too: clusterf rm --recursive services/web. ' +
    'What agents keep under a lease, such as the backends of containers, comes back within seconds; ' +
    'clusterf drain takes those out of service. Exits with 1 if there is nothing.',
  version: VERSION,
  operands: 'PATH…',
  attended: true,
  options: {
    ...treeOptions,
    recursive: { type: 'boolean', alias: 'r', group: 'Removing', describe: 'what is below PATH too' },
    'dry-run': { type: 'boolean', group: 'Removing', describe: 'say what would be removed, and remove nothing' },
  },
});

/** The `clusterf rm` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      if (operands.length === 0) throw new UsageError('expected the PATH of what is to be removed');
      const paths = operands.map((operand) => relativePath(operand, tree.url));
      if (paths.includes(''))
        throw new UsageError('the whole tree is not removed at once; name its parts, such as services');
      const [first = ''] = paths;
      const reading = await tree.read(paths.length === 1 ? first : '');
      const doomed = new Set(paths.flatMap((path) => found(path, reading, options.recursive)));
      const steps = [...doomed].map((path): Step => ({ path, what: 'removed' }));
      if (!options.dryRun) await writeSteps(tree, steps, reading, signal);
      tellSteps(steps, options.dryRun);
      const kept = [...doomed].filter((path) => reading.get(path)?.lease !== undefined);
      if (kept.length > 0) complain(command, comingBack(kept));
    }),
  );
}

/**
 * @throws {UsageError} if nothing can be there
 * @throws {FailureError} if there is nothing, or more than was asked for
 */
function found(path: string, reading: Reading, recursive: boolean): readonly string[] {
  const all = [...reading.keys()].filter((each) => isAtOrBelow(each, path));
  if (all.length === 0) {
    refuseBadNames(path);
    throw new FailureError(`nothing is at ${path}; nothing was removed`);
  }
  const below = all.filter((each) => each !== path);
  if (recursive || below.length === 0) return all;
  if (below.length < all.length) return [path];
  throw new FailureError(`${path} is no entry, but ${below.length} are below it; --recursive removes them`);
}

function comingBack([first = '', ...others]: readonly string[]): string {
  const [subject, verb] = others.length === 0 ? [first, 'comes'] : [`${first} and ${others.length} more`, 'come'];
  return (
    `warning: ${subject}, kept by agents under a lease, ${verb} back within seconds. ` +
    'To take a backend out of service, use clusterf drain, or stop its container.'
  );
}
