import { defineCommand, type Environment, EXIT, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import type { Reading } from '@clusterf/store';
import { complain, inWords } from './tree/in-words.js';
import { isAtOrBelow } from './tree/path.js';
import { type Documents, documentsOption, readDocuments } from './tree/read-documents.js';
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
      describe:
        'remove what the documents do not have of the services that they have entries of; what agents keep stays',
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
      const documents = await readDocuments(options.file, signal);
      const { entries, findings: unusable, badlyNamed } = documents;
      tell(command, [...unusable, ...badlyNamed]);
      if (unusable.length > 0 || (badlyNamed.length > 0 && !options.force)) {
        complain(command, `nothing was written${unusable.length === 0 ? '; --force writes all else' : ''}`);
        return EXIT.failed;
      }
      if (entries.size === 0)
        throw new FailureError(`no entries are in ${inputNames(options.file)}; nothing was written`);
      const reading = await tree.read();
      if (options.prune) tellSilent(documents, reading);
      const removals = options.prune ? abandoned(documents, reading) : [];
      const wanted = new Map([...entries, ...removals.map((path) => [path, undefined] as const)]);
      const { steps, findings } = propose(wanted, reading);
      if (isRefused(command, findings, options.force)) return EXIT.failed;
      if (!options.dryRun) await writeSteps(tree, steps, reading, signal);
      tellSteps(steps, options.dryRun);
      if (badlyNamed.length === 0) return EXIT.ok;
      complain(command, 'what no entry can be called was left out, and nothing else');
      return EXIT.failed;
    }),
  );
}

/** What the tree has of the same services beside what the documents name, and no agent keeps. */
function abandoned({ entries, badlyNamed }: Documents, reading: Reading): readonly string[] {
  const services = new Set([...entries.keys()].map(serviceOf));
  return [...reading]
    .filter(([path, { lease }]) => lease === undefined && !entries.has(path) && serviceOf(path) !== undefined)
    .map(([path]) => path)
    .filter((path) => services.has(serviceOf(path)))
    .filter((path) => !badlyNamed.some((named) => isAtOrBelow(path, named.path)));
}

/** A service that is mentioned without entries may be one whose entries somebody forgot: it stays. */
function tellSilent({ entries, silent }: Documents, reading: Reading): void {
  const given = new Set([...entries.keys()].map(serviceOf));
  const there = new Set([...reading.keys()].map(serviceOf));
  for (const service of new Set(silent.map(serviceOf)))
    if (service !== undefined && there.has(service) && !given.has(service))
      complain(
        command,
        `warning: services/${service} has no entries in the documents, and none of it is removed: ` +
          'that would be clusterf rm --recursive',
      );
}

function inputNames(files: readonly string[]): string {
  return files.map((file) => (file === '-' ? 'standard input' : file)).join(', ');
}

function serviceOf(path: string): string | undefined {
  const [top, service] = path.split('/');
  return top === 'services' ? service : undefined;
}
