/** Commands that take agents' options, where `clusterf up` is the agent: what is not given to them is as that is told. */
import { readFileSync } from 'node:fs';
import {
  allOptions,
  type CommandSpec,
  type Environment,
  environmentVariable,
  type Option,
  parseOptions,
} from '@clusterf/daemon';
import { argumentsFor } from './arguments.js';
import { command, treePlace, type TreePlace, type UpOptions } from './command.js';
import type { RunningUp } from './running.js';

/** Where the tree is that `clusterf up` keeps to itself, as `--config-source` of a command that is told what it is. */
export const IN_MEMORY = 'memory:';

/** What is to be passed to `runCommand` and `parseOptions`. */
export interface Told {
  readonly argv: readonly string[];
  readonly env: Environment;
}

/** What an agent within `clusterf up` is told, by camel-cased name. */
export type OptionsWithin = (options: UpOptions, place: TreePlace) => Readonly<Record<string, unknown>>;

/**
 * Arguments with those before them that `clusterf up` has and that are not given here: of its configuration file, where
 * that is the one that is given, else of the one that runs here.
 *
 * @param within what the command would be told by it; what the command does not have is passed over
 * @param running looked for only if it is needed
 * @throws ConfigurationError for a file that `clusterf up` would not take either, and UsageError for such an environment
 */
export async function asUpIsTold(
  spec: CommandSpec,
  { argv, env }: Told,
  within: OptionsWithin,
  running: () => Promise<RunningUp | undefined>,
): Promise<Told> {
  if (argv.some((word) => ['--help', '-h', '--version'].includes(word))) return { argv, env };
  const names = spellings(spec);
  const given = new Set([
    ...argv.flatMap((word) => names.get(/^--([^=]+)/.exec(word)?.[1] ?? '') ?? []),
    ...[...names].flatMap(([spelling, name]) => (env[environmentVariable(spelling)] === undefined ? [] : name)),
  ]);
  const file = configFile(argv, env);
  const keys = file === undefined ? [] : keysIn(file);
  const ofUp = spellings(command);
  if (file !== undefined && keys.some((key) => !names.has(key) && ofUp.has(key))) {
    const options = await fromFile(file, env);
    const rest = { argv: withoutConfig(argv), env: { ...env, CLUSTERF_CONFIG: undefined } };
    return before(rest, spec, within(options, treePlace(options)), given);
  }
  const up = await running();
  if (up === undefined) return { argv, env };
  return before(
    { argv, env },
    spec,
    within(up.options, up.place),
    new Set([...given, ...keys.flatMap((key) => names.get(key) ?? [])]),
  );
}

function before(
  { argv, env }: Told,
  spec: CommandSpec,
  options: Readonly<Record<string, unknown>>,
  given: ReadonlySet<string>,
): Told {
  const more = argumentsFor(spec, options).filter((word) => !given.has(/^--([^=]+)/.exec(word)?.[1] ?? ''));
  return { argv: [...more, ...argv], env };
}

async function fromFile(file: string, env: Environment): Promise<UpOptions> {
  const parsed = await parseOptions(command, [`--config=${file}`], env);
  if (parsed.kind !== 'run') throw new TypeError('nothing was asked for but options');
  return parsed.options;
}

/** Long names by all their spellings. */
function spellings(spec: CommandSpec): ReadonlyMap<string, string> {
  return new Map(
    [...allOptions(spec)].flatMap(([name, { alias = [] }]: [string, Option]) =>
      [name, ...(typeof alias === 'string' ? [alias] : alias)].map((spelling) => [spelling, name] as const),
    ),
  );
}

/** `--config`, of whatever command. */
export function configFile(argv: readonly string[], env: Environment): string | undefined {
  const at = argv.lastIndexOf('--config');
  if (at >= 0) return argv[at + 1];
  return argv.findLast((word) => word.startsWith('--config='))?.slice('--config='.length) ?? env['CLUSTERF_CONFIG'];
}

function withoutConfig(argv: readonly string[]): readonly string[] {
  return argv.filter((word, index) => !/^--config(=|$)/.test(word) && argv[index - 1] !== '--config');
}

/** None of a file that cannot be read: whoever reads it next says so. */
function keysIn(file: string): readonly string[] {
  try {
    return Object.keys(Object(JSON.parse(readFileSync(file, 'utf8'))));
  } catch {
    return [];
  }
}
