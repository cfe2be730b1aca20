import { defineCommand, type Environment, EXIT, runCommand, UsageError } from '@clusterf/daemon';
import type { Reading } from '@clusterf/store';
import { complain, inWords } from './tree/in-words.js';
import { documentsOption, readDocuments } from './tree/read-documents.js';
import { propose } from './tree/proposal.js';
import { isRefused, tell } from './tree/report-findings.js';
import { openOneTree, treeOptions } from './tree/tree-options.js';
import { tellSteps, writeSteps } from './tree/write-steps.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf apply',
  summary:
    'Puts documents into the configuration tree.\n\n' +
    'A document is YAML or JSON, nested as the tree is: {services: {web: {frontend: {ipv4: 10.0.0.1, tcp: 80}}}}. ' +
    'One file may hold several. Of each entry it is said whether it was created, changed or unchanged. ' +
    'If one of them would be a problem to the agents, none is written: exit code 1.',
  version: VERSION,
  attended: true,
  options: {
    ...documentsOption,
    ...treeOptions,
    prune: {
      type: 'boolean',
      group: 'Writing',
      describe: 'remove, of the services that the documents name, the entries that they do not; what agents keep stays',
    },
    'dry-run': { type: 'boolean', group: 'Writing', describe: 'say what would be done, and write nothing' },
    force: { type: 'boolean', group: 'Writing', describe: 'write it though it is a problem' },
  },
});

/** The `clusterf apply` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      if (options.file.length === 0) throw new UsageError('expected --file (-f) FILE, DIRECTORY or -');
      const { entries, findings: unusable } = await readDocuments(options.file);
      if (unusable.length > 0) {
        tell(command, unusable);
        complain(command, 'nothing was written');
        return EXIT.failed;
      }
      const reading = await tree.read();
      const removals = options.prune ? abandoned(new Set(entries.keys()), reading) : [];
      const wanted = new Map([...entries, ...removals.map((path) => [path, undefined] as const)]);
      const { steps, findings } = propose(wanted, reading);
      if (isRefused(command, findings, options.force)) return EXIT.failed;
      if (!options.dryRun) await writeSteps(tree, steps, reading);
      tellSteps(steps, options.dryRun);
      return EXIT.ok;
    }),
  );
}

/** What the tree has of the same services beside the entries that are given, and no agent keeps. */
function abandoned(given: ReadonlySet<string>, reading: Reading): readonly string[] {
  const services = new Set([...given].map(serviceOf));
  return [...reading]
    .filter(([path, { lease }]) => lease === undefined && !given.has(path) && serviceOf(path) !== undefined)
    .map(([path]) => path)
    .filter((path) => services.has(serviceOf(path)));
}

function serviceOf(path: string): string | undefined {
  const [top, service] = path.split('/');
  return top === 'services' ? service : undefined;
}
