import { defineCommand, type Environment, runCommand, UsageError } from '@clusterf/daemon';
import { onOneLine } from '../output.js';
import { inWords } from '../tree/in-words.js';
import { openOneTree, treeOptions } from '../tree/tree-options.js';
import { VERSION } from '../version.js';
import { known, type Known, type Target } from './known.js';
import { describe, drainKey, resolve } from './target.js';

export const command = defineCommand({
  command: 'clusterf undrain',
  summary:
    'Ends what clusterf drain began: a Docker host, a backend or a balancer takes new connections again.\n\n' +
    'The kind may be left out where only one thing of that name is drained. What is drained: clusterf drain.',
  version: VERSION,
  operands: '[host|backend|balancer] NAME',
  attended: true,
  options: {
    force: { type: 'boolean', group: 'Drain', describe: 'no error for a name that the tree does not know' },
    ...treeOptions,
  },
});

/** The `clusterf undrain` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      if (operands.length === 0) throw new UsageError('what is to be undrained? clusterf drain shows what is drained');
      using tree = openOneTree(options, signal);
      const reading = await tree.read();
      const there = known(reading);
      const target = resolve(operands, there, { verb: 'undrain', force: options.force });
      const path = drainKey(target);
      const drained = reading.has(path);
      if (drained) await tree.write(new Map([[path, undefined]]), reading);
      const words = [
        `${describe(target)} is ${drained ? 'no longer drained' : 'not drained'}`,
        ...stillDrained(target, there),
      ];
      process.stdout.write(`${onOneLine(words.join('; '))}\n`);
    }),
  );
}

/** What else keeps connections away from it. */
function stillDrained({ kind, name }: Target, { config: { services }, drained }: Known): readonly string[] {
  const isDrained = (of: Target) => drained.some((each) => each.kind === of.kind && each.name === of.name);
  const held: string[] = [];
  for (const [service, { backends }] of services)
    for (const [backend, { host = '' }] of backends) {
      const own = `${service}/${backend}`;
      if (kind === 'host' && host === name && isDrained({ kind: 'backend', name: own })) held.push(`backend ${own}`);
      if (kind === 'backend' && own === name && isDrained({ kind: 'host', name: host })) held.push(`host ${host}`);
    }
  return held.length === 0 ? [] : [`still drained: ${held.join(', ')}`];
}
