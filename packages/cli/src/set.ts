import { defineCommand, type Environment, EXIT, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import { quote } from '@clusterf/model';
import { isField, withFields } from './tree/fields.js';
import { NO_JSON, toJson } from './tree/flatten.js';
import { inWords } from './tree/in-words.js';
import { parseDocuments } from './tree/parse-documents.js';
import { parsePath } from './tree/path.js';
import { propose } from './tree/proposal.js';
import { readStandardInput } from './tree/read-input.js';
import { isRefused } from './tree/report-findings.js';
import { openOneTree, treeOptions } from './tree/tree-options.js';
import { tellSteps, writeSteps } from './tree/write-steps.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf set',
  summary:
    'Puts one entry into the configuration tree.\n\n' +
    'VALUE is the whole entry, in JSON or YAML, or - to read it from standard input. FIELD=VALUE changes single fields ' +
    'and leaves the others: clusterf set services/web/frontend ipv4=10.0.0.1 tcp=80. FIELD= removes one. ' +
    'What would be a problem to the agents is refused: exit code 1, and nothing is written.',
  version: VERSION,
  operands: 'PATH VALUE|-|FIELD=VALUE…',
  attended: true,
  options: {
    ...treeOptions,
    force: { type: 'boolean', group: 'Writing', describe: 'write it though it is a problem' },
    'dry-run': { type: 'boolean', group: 'Writing', describe: 'say what would be done, and write nothing' },
  },
});

/** The `clusterf set` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      const [operand, ...values] = operands;
      if (operand === undefined || values.length === 0) throw new UsageError('expected PATH and a value, or fields');
      const path = parsePath(operand, tree.url);
      if (path === '') throw new UsageError(`path ${quote(operand)} is the whole tree; expected one entry's`);
      const whole = values.every(isField) ? undefined : await wholeValue(values, signal);
      const reading = await tree.read();
      const text = toJson(whole === undefined ? withFields(reading.get(path)?.value, values) : whole.value);
      if (text === undefined) throw new FailureError(`the value ${NO_JSON}`);
      const { steps, findings } = propose(new Map([[path, text]]), reading);
      if (isRefused(command, findings, options.force)) return EXIT.failed;
      if (!options.dryRun) await writeSteps(tree, steps, reading, signal);
      tellSteps(steps, options.dryRun);
      return EXIT.ok;
    }),
  );
}

async function wholeValue(
  [written = '', ...others]: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly value: unknown }> {
  if (others.length > 0)
    throw new UsageError(`one value was expected, or only fields; there are ${others.length + 1} operands after PATH`);
  const parsed = parseDocuments(written === '-' ? await readStandardInput(signal) : written);
  if (!parsed.ok) throw new FailureError(`the value is neither JSON nor YAML: ${parsed.message}`);
  if (parsed.documents.length > 1)
    throw new FailureError(`the value has ${parsed.documents.length} documents; expected one`);
  return { value: parsed.documents[0] ?? null };
}
