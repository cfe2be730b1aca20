import Parser from 'yargs-parser';
import { UsageError } from './errors.js';
import { aliases, type CommandSpec, type Option } from './option-types.js';

/** What the command line says: raw text, or true and false for switches, to be decoded like any other place's. */
export interface CommandLine {
  readonly values: ReadonlyMap<string, unknown>;
  readonly operands: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
}

type Specs = ReadonlyMap<string, Option>;

/**
 * Splits arguments into options and operands. Of an option given twice the last counts, as in the Go program;
 * lists collect all.
 *
 * @throws UsageError for an unknown option or one without its value
 */
export function flagSettings(specs: Specs, argv: readonly string[]): CommandLine {
  refuseBadSwitches(specs, argv);
  const { argv: parsed, error } = Parser.detailed([...argv], parserOptions(specs));
  if (error) throw new UsageError(inOurWords(error.message), { cause: error });
  const { _: operands, help, version, ...given } = parsed;

  const values = new Map<string, unknown>();
  for (const [name, value] of Object.entries(given)) {
    const option = specs.get(name);
    if (option === undefined) throw new UsageError(`unknown option ${name.length === 1 ? '-' : '--'}${name}`);
    if (value === undefined) continue;
    values.set(name, option.type !== 'list' && Array.isArray(value) ? value.at(-1) : value);
  }
  return { values, operands: operands.map(String), help: help === true, version: version === true };
}

/**
 * yargs splits, and lays out the help; meaning is ours. So every value stays the text it was, and the parser's own
 * conveniences that would alter names (camel case, dots) are off.
 */
const CONFIGURATION = {
  'camel-case-expansion': false,
  'dot-notation': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'strip-aliased': true,
};

/** The parser's only complaint about a command line like ours. */
function inOurWords(complaint: string): string {
  return complaint.replace(/^Not enough arguments following: (.*)$/, 'option --$1 needs a value');
}

function parserOptions(specs: Specs): Parser.Options {
  const texts = [...specs].flatMap(([name, { type }]) => (type === 'boolean' ? [] : [name]));
  const switches = [...specs].flatMap(([name, { type }]) => (type === 'boolean' ? [name] : []));
  return {
    alias: { ...Object.fromEntries([...specs].map(([name, option]) => [name, aliases(option)])), help: ['h'] },
    boolean: [...switches, 'help', 'version'],
    narg: Object.fromEntries(texts.map((name) => [name, 1])),
    configuration: CONFIGURATION,
  };
}

/** The text of `--help`, options under their group headings in the order the command states them. */
export async function helpText(spec: CommandSpec, specs: Specs): Promise<string> {
  // What lays out text costs more to load than all the rest of a start: only who asks for help waits for it.
  const { default: yargs } = await import('yargs');
  const usage = `${spec.command} [options]${spec.operands === undefined ? '' : ` ${spec.operands}`}`;
  let instance = yargs([])
    .locale('en')
    .help(false)
    .version(false)
    .parserConfiguration(CONFIGURATION)
    .usage(`${usage}\n\n${spec.summary}`)
    .wrap(100)
    .option('help', { alias: 'h', type: 'boolean', describe: 'print this help and exit' })
    .option('version', { type: 'boolean', describe: 'print the version and exit' });
  const groups = new Map<string, string[]>();
  for (const [name, option] of specs) {
    groups.set(option.group, [...(groups.get(option.group) ?? []), name]);
    instance = instance.option(name, {
      alias: aliases(option),
      describe: option.type === 'choice' ? `${option.describe} (${option.choices.join(', ')})` : option.describe,
      ...(option.type === 'boolean' ? { type: 'boolean' } : { nargs: 1 }),
      ...shownDefault(option),
    });
  }
  groups.set('General', [...(groups.get('General') ?? []), 'help', 'version']);
  for (const [group, names] of groups) instance = instance.group(names, `${group}:`);
  return instance
    .epilogue(
      'Every option can also be set in the environment (--log-level as CLUSTERF_LOG_LEVEL) and in the --config file. ' +
        'Exit codes: 0 fine, 1 failed, 2 usage, 3 configuration.',
    )
    .getHelp();
}

/** Shown only: the defaults themselves apply after the environment and the file have had their say. */
function shownDefault(option: Option): { defaultDescription?: string } {
  const text = option.defaultText ?? (Array.isArray(option.default) ? option.default.join(' ') : option.default);
  return text === undefined || text === '' ? {} : { defaultDescription: String(text) };
}

/** yargs reads `--noop=maybe` as false without a word; here it is an error. */
function refuseBadSwitches(specs: Specs, argv: readonly string[]): void {
  const switches = new Set<string>();
  for (const [name, option] of specs) {
    if (option.type === 'boolean') for (const spelling of [name, ...aliases(option)]) switches.add(spelling);
  }
  for (const argument of argv) {
    if (argument === '--') return;
    const [, name = '', value = ''] = /^--([^=]+)=(.*)$/s.exec(argument) ?? [];
    if (switches.has(name) && value !== 'true' && value !== 'false') {
      throw new UsageError(`--${name}: ${JSON.stringify(value)} (on the command line) is not true or false`);
    }
  }
}
