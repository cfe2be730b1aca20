import { defineCommand, type Environment, EXIT, runCommand } from '@clusterf/daemon';
import { asData, asTable, outputOption } from './output.js';
import { checkEntry, type Finding } from './tree/findings.js';
import { inWords } from './tree/in-words.js';
import { documentsOption, readDocuments } from './tree/read-documents.js';
import { openOneTree, treeOptions, type TreeOptionValues } from './tree/tree-options.js';
import { checkTogether } from './tree/whole-tree.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf validate',
  summary:
    'Lists all that is wrong with documents, or with the configuration tree.\n\n' +
    'With --file: documents as clusterf apply takes them, by themselves; nothing is read from the tree. Without: the tree. ' +
    'An error is what agents cannot use, or in a document would ignore; a warning what somebody had better look at. ' +
    'Exits with 1 if there are errors, with 0 if there are warnings only.',
  version: VERSION,
  attended: true,
  options: {
    ...documentsOption,
    ...treeOptions,
    ...outputOption,
  },
});

/** What was looked at, and what is wrong with it. */
interface Validated {
  readonly entries: number;
  readonly findings: readonly Finding[];
}

/** The `clusterf validate` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { signal }) =>
    inWords(command, async () => {
      const validated =
        options.file.length > 0 ? await ofDocuments(options.file, signal) : await ofTree(options, signal);
      process.stdout.write(show(validated, options.output));
      return validated.findings.some(({ level }) => level === 'error') ? EXIT.failed : EXIT.ok;
    }),
  );
}

async function ofDocuments(names: readonly string[], signal: AbortSignal): Promise<Validated> {
  const { entries, findings, badlyNamed } = await readDocuments(names, signal);
  return { entries: entries.size, findings: [...findings, ...badlyNamed, ...check(entries, true)] };
}

async function ofTree(options: TreeOptionValues, signal: AbortSignal): Promise<Validated> {
  using tree = openOneTree(options, signal);
  const entries = new Map([...(await tree.read())].map(([path, { value }]) => [path, value]));
  return { entries: entries.size, findings: check(entries, false) };
}

function check(entries: ReadonlyMap<string, string>, strict: boolean): readonly Finding[] {
  const alone = [...entries].flatMap(([path, text]) => checkEntry(path, text, { strict }).findings);
  return [...alone, ...checkTogether(entries)];
}

function show({ entries, findings }: Validated, format: 'table' | 'json' | 'yaml'): string {
  if (format !== 'table') return asData(findings, format);
  const rows = findings.map(({ level, path, message }) => [level.toUpperCase(), path, message]);
  const errors = findings.filter(({ level }) => level === 'error').length;
  const summary = `${counted(entries, 'entry', 'entries')}: ${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}\n`;
  return findings.length === 0 ? summary : `${asTable(['LEVEL', 'KEY', 'PROBLEM'], rows)}\n${summary}`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
