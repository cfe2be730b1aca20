import { defineCommand, EXIT, type Environment, runCommand } from '@clusterf/daemon';
import { asData, outputOption } from '../output.js';
import { inWords } from '../tree/in-words.js';
import { openOneTree, treeOptions } from '../tree/tree-options.js';
import { VERSION } from '../version.js';
import { findings } from './findings.js';
import { look } from './look.js';
import { overviewText } from './text.js';

export const command = defineCommand({
  command: 'clusterf status',
  summary:
    'All Docker hosts, balancers and services of a tree, and what is wrong with them, in words.\n' +
    'Exit code 0 if all is well, 1 if something is not.',
  version: VERSION,
  attended: true,
  options: { ...outputOption, ...treeOptions },
});

/** `clusterf status` @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      const view = await look(tree, signal);
      const found = findings(view);
      const { output } = options;
      const isWell = found.length === 0;
      process.stdout.write(
        output === 'table' ? overviewText(view, found) : asData({ well: isWell, ...view, findings: found }, output),
      );
      return isWell ? EXIT.ok : EXIT.failed;
    }),
  );
}
