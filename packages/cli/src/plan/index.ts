import {
  type CommandContext,
  defineCommand,
  type Environment,
  FailureError,
  type OptionsOf,
  runCommand,
  UsageError,
} from '@clusterf/daemon';
import {
  command as balancer,
  type Desired,
  diff,
  openKernel,
  planOnce,
  type Rehearsal,
  rehearse,
} from '@clusterf/ipvs-agent';
import { shellWord } from '@clusterf/store';
import { openedKernel } from '../kernel.js';
import { inWords } from '../tree/in-words.js';
import { upArguments } from '../up/arguments.js';
import { asUpIsTold, configFile, IN_MEMORY, type Told } from '../up/as-told.js';
import { balancerOptions } from '../up/command.js';
import { findRunningUp } from '../up/running.js';
import { VERSION } from '../version.js';
import { changesAs, FORMS, tableAs } from './output.js';

export const command = defineCommand({
  command: 'clusterf plan',
  summary:
    "What clusterf-ipvs would change in this machine's kernel now; nothing is written. Of clusterf up without etcd only " +
    'clusterf up --noop --once can tell.\n' +
    'Reading the kernel needs CAP_NET_ADMIN. Takes the options of clusterf-ipvs, so that --config with the file of an ' +
    "agent gives that agent's plan; those about running change nothing here.",
  version: VERSION,
  attended: true,
  options: {
    output: {
      type: 'choice',
      choices: FORMS,
      default: 'ops',
      alias: 'o',
      group: 'Output',
      describe: 'a line for each operation with its names, lines for ipvsadm -R, or data',
    },
    table: {
      type: 'boolean',
      group: 'Output',
      describe: 'the whole table as it should be, instead of what would change; asks no kernel',
    },
    'from-empty': {
      type: 'boolean',
      group: 'Output',
      describe: 'what would change in an empty table; asks no kernel',
    },
    ...balancer.options,
  },
});

type PlanOptions = OptionsOf<typeof command>;

/** `clusterf plan` @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await inWords(command, async () => {
    const told = await asUpIsTold(
      command,
      { argv, env },
      (options, { registry, sources }) =>
        balancerOptions(options, registry === undefined ? [IN_MEMORY, ...sources] : sources),
      findRunningUp,
    );
    return await run(told);
  });
}

async function run({ argv, env }: Told): Promise<number> {
  return await runCommand(command, argv, env, async (options, context) =>
    inWords(command, async () => {
      if (options.configSource.includes(IN_MEMORY)) throw new FailureError(await instead({ argv, env }));
      if (options.table && options.fromEmpty) throw new UsageError('--table and --from-empty exclude each other');
      process.stdout.write(await planned(options, context));
    }),
  );
}

/** How to look at what only `clusterf up` itself knows: what it makes of the labels of this machine's containers. */
async function instead({ argv, env }: Told): Promise<string> {
  const up = await findRunningUp();
  const who = up === undefined ? 'clusterf up' : `clusterf up, process ${up.pid}`;
  const file = configFile(argv, env);
  const options = up === undefined ? (file === undefined ? [] : [`--config=${file}`]) : await upArguments(up.options);
  return (
    `the tree is in the memory of ${who}, and made of labels that this command does not read; ` +
    `what would change is printed, beside it, by: ${['clusterf up --noop --once', ...options.map(shellWord)].join(' ')}`
  );
}

async function planned(options: PlanOptions, context: CommandContext): Promise<string> {
  const { output } = options;
  if (options.table || options.fromEmpty) {
    const { desired, problems } = await planOnce(options, context);
    return options.table ? tableAs(output, desired, problems) : changesAs(output, intoEmpty(desired), problems);
  }
  using kernel = await openedKernel(openKernel, 'with --from-empty or --table, which ask no kernel');
  const { rehearsal, problems } = await rehearse(options, kernel, context);
  // ipvsadm has no words for it, and who feeds it the lines is to know.
  if (output === 'ipvsadm')
    for (const { reason, destinations } of rehearsal.held)
      context.log.warn(`left out, since an agent would hold it back (${reason}): ${destinations} destinations`);
  return changesAs(output, rehearsal, problems);
}

/** What an agent would do to a kernel that has nothing. */
function intoEmpty(desired: Desired): Rehearsal {
  const { make } = diff(new Map(), desired, () => false);
  return { flushed: [], ops: make, held: [], around: [], obstacle: undefined };
}
