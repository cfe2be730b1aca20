import { defineCommand, type Environment, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import type { Reading } from '@clusterf/store';
import { asData, asTable, outputOption } from './output.js';
import { inWords } from './tree/in-words.js';
import { nest, valueOf } from './tree/nest.js';
import { refuseBadNames, relativePath } from './tree/path.js';
import { summaryTable } from './tree/summary.js';
import { openOneTree, treeOptions } from './tree/tree-options.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf get',
  summary:
    'Shows what is in the configuration tree.\n\n' +
    'Without PATH: the services, or with -o json or yaml the whole tree as one document, which clusterf apply takes. ' +
    'With PATH, such as services/web: the entry there and all below it. Exits with 1 if there is nothing.',
  version: VERSION,
  operands: '[PATH]',
  attended: true,
  options: {
    ...treeOptions,
    ...outputOption,
    raw: {
      type: 'boolean',
      group: 'Output',
      describe: 'values as they are stored, byte for byte; with -o json or yaml a list with revisions and leases',
    },
    'without-leased': {
      type: 'boolean',
      group: 'Output',
      describe: 'leave out what agents keep under a lease, such as the backends of containers: for backups',
    },
  },
});

/** The `clusterf get` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      const [operand = '', ...others] = operands;
      if (others.length > 0) throw new UsageError(`one PATH was expected; there are ${operands.length}`);
      const path = relativePath(operand, tree.url);
      const all = await tree.read(path);
      const reading = options.withoutLeased ? new Map([...all].filter(([, { lease }]) => lease === undefined)) : all;
      if (path !== '' && reading.size === 0) {
        refuseBadNames(path);
        throw new FailureError(`nothing is at ${path} in ${tree.url}`);
      }
      process.stdout.write(show(reading, path, options));
    }),
  );
}

interface Showing {
  readonly output: 'table' | 'json' | 'yaml';
  readonly raw: boolean;
}

function show(reading: Reading, path: string, { output, raw }: Showing): string {
  const values = [...reading].map(([at, { value }]) => [at, value] as const);
  const only = values.length === 1 && values[0]?.[0] === path ? values[0][1] : undefined;
  if (output !== 'table') {
    if (raw)
      return asData(
        [...reading].map(([at, entry]) => ({ path: at, ...entry })),
        output,
      );
    return asData(only === undefined ? nest(values) : valueOf(only), output);
  }
  if (raw) return only === undefined ? values.map(([at, value]) => `${at}\n${value}\n`).join('') : `${only}\n`;
  if (path === '') return summaryTable(reading);
  const rows = [...reading].map(([at, { value, lease }]) => [at, lease === undefined ? '-' : hex(lease), value]);
  return asTable(['PATH', 'LEASE', 'VALUE'], rows);
}

/** As etcdctl writes leases. */
function hex(lease: string): string {
  return BigInt(lease).toString(16);
}
