import { defineCommand, type Environment, FailureError, runCommand, UsageError } from '@clusterf/daemon';
import { onOneLine } from './output.js';
import { complain, inWords } from './tree/in-words.js';
import { valueOf } from './tree/nest.js';
import { isAtOrBelow, parsePath } from './tree/path.js';
import { type TreeEvent, TreeEvents } from './tree/tree-events.js';
import { openOneTree, treeOptions } from './tree/tree-options.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf watch',
  summary:
    'Prints what changes in the configuration tree, a line an event, until it is ended.\n\n' +
    'PATH, such as services/web, narrows it to the entry there and all below it. While etcd is away it waits, and then ' +
    'tells what has changed meanwhile. Ends with 0 on SIGINT, SIGTERM, SIGHUP and when nobody reads its output any more; ' +
    'with 1 if etcd cannot be reached at the start.',
  version: VERSION,
  operands: '[PATH]',
  attended: true,
  options: {
    ...treeOptions,
    output: {
      type: 'choice',
      choices: ['text', 'json'],
      default: 'text',
      alias: 'o',
      group: 'Output',
      describe: 'text for people, or a JSON object a line',
    },
    all: { type: 'boolean', group: 'Output', describe: 'print first what is there already' },
  },
});

/** The `clusterf watch` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      if (operands.length > 1) throw new UsageError(`one PATH was expected; there are ${operands.length}`);
      const path = parsePath(operands[0] ?? '', tree.url);
      const known = new TreeEvents();
      let away = false;
      for await (const event of tree.events(signal)) {
        if (event.type === 'unavailable') {
          if (known.size === undefined) throw new FailureError(event.error.message, { cause: event.error });
          away = true;
          complain(command, `warning: ${event.error.message}; waiting for it`);
          continue;
        }
        if (away) complain(command, 'it is back');
        away = false;
        const events = known.take(event, options.all).filter((each) => isAtOrBelow(each.path, path));
        const time = new Date().toISOString();
        const lines = events.map((each) => (options.output === 'json' ? jsonLine(time, each) : textLine(time, each)));
        process.stdout.write(lines.join(''));
      }
    }),
  );
}

function textLine(time: string, { type, path, value }: TreeEvent): string {
  return `${onOneLine([time, type, path, value ?? ''].join(' ').trimEnd())}\n`;
}

function jsonLine(time: string, { type, path, value }: TreeEvent): string {
  return `${JSON.stringify({ time, type, path, ...(value !== undefined && { value: valueOf(value) }) })}\n`;
}
