import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import { defineCommand, type Environment, EXIT, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import { inWords } from '../tree/in-words.js';
import { readInput } from '../tree/read-input.js';
import { openOneTree, treeOptions } from '../tree/tree-options.js';
import { VERSION } from '../version.js';
import { jsonDocument, yamlDocument } from './document.js';
import { importEtcd2 } from './etcd2.js';
import { importIpvsadm } from './ipvsadm.js';
import { importKeepalived } from './keepalived.js';
import { printRemarks } from './remarks.js';
import type { Imported } from './rules.js';
import { writeEntries } from './write.js';

export const command = defineCommand({
  command: 'clusterf import',
  summary:
    'Makes entries of the tree from what balanced before: a document for clusterf apply -f, or with --write the tree ' +
    'itself.\n\n' +
    'ipvsadm: rules as ipvsadm -Sn writes them. keepalived: a keepalived.conf with what it includes. etcd2: the Go ' +
    'program’s tree, as GET /v2/keys/clusterf?recursive=true answers, or keys and values as etcdctl ls and get print ' +
    'them.\n\n' +
    'What cannot be carried over is said on standard error. Exits with 1 if a virtual service, a server or how one is ' +
    'set is among it.',
  version: VERSION,
  operands: 'ipvsadm|keepalived|etcd2 FILE|-',
  attended: true,
  options: {
    output: {
      type: 'choice',
      choices: ['yaml', 'json'],
      default: 'yaml',
      alias: 'o',
      group: 'Import',
      describe: 'how to write the document',
    },
    write: {
      type: 'boolean',
      group: 'Import',
      describe: 'write into the tree instead, if nothing of it is there yet with another value',
    },
    'config-id': {
      type: 'string',
      group: 'Import',
      describe: 'keepalived: whose lines are meant, of those that begin with @',
      defaultText: "the machine's host name up to its first dot",
    },
    'from-prefix': {
      type: 'string',
      default: '/clusterf',
      group: 'Import',
      describe: 'etcd2: where the tree is in the dump',
    },
    registered: {
      type: 'boolean',
      group: 'Import',
      describe: 'etcd2: take also what docker-agents registered, which then stays until somebody removes it',
    },
    ...treeOptions,
  },
});

const FORMATS = ['ipvsadm', 'keepalived', 'etcd2'] as const;

/** The `clusterf import` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      const [format, path, ...more] = operands;
      const known = FORMATS.find((each) => each === format);
      if (known === undefined || path === undefined || more.length > 0)
        throw new UsageError(`expected ${FORMATS.join(', ')}, and a file or - for standard input`);
      const input = await readInput(path, signal);
      const name = path === '-' ? 'standard input' : basename(path);
      const { entries, remarks } = await importFrom(known, input.text, path, name, options);
      process.stderr.write(printRemarks(remarks));
      if (entries.size === 0) throw new FailureError(`nothing to import was found in ${name}`);
      if (options.write) {
        using tree = openOneTree(options, signal);
        const written = await writeEntries(entries, tree, signal);
        process.stdout.write(`${written} of ${entries.size} entries written to ${tree.url}\n`);
      } else if (options.output === 'json') process.stdout.write(jsonDocument(entries));
      else process.stdout.write(yamlDocument(entries, `Made by clusterf import ${known} of ${name}.`));
      return remarks.some(({ kind }) => kind === 'lost') ? EXIT.failed : EXIT.ok;
    }),
  );
}

interface ImportOptions {
  readonly configId: string | undefined;
  readonly fromPrefix: string;
  readonly registered: boolean;
}

async function importFrom(
  format: (typeof FORMATS)[number],
  text: string,
  path: string,
  name: string,
  options: ImportOptions,
): Promise<Imported> {
  switch (format) {
    case 'ipvsadm':
      return importIpvsadm(text, name);
    case 'keepalived':
      return await importKeepalived(text, {
        path: resolve(path === '-' ? name : path),
        files: {
          read: async (file) => await readFile(file, 'utf8'),
          list: async (directory) => await readdir(directory),
        },
        configId: options.configId ?? hostname().replace(/\..*$/, ''),
      });
    case 'etcd2':
      return importEtcd2(text, { file: name, prefix: options.fromPrefix, registered: options.registered });
  }
}
