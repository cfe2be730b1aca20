import { readFileSync } from 'node:fs';
import { flagSettings, helpText } from './command-line.js';
import { ConfigurationError, toError, UsageError } from './errors.js';
import { aliases, commonOptionsOf, type CommandSpec, type Option, type OptionsOf } from './option-types.js';
import { decodeValue, type OptionValue } from './option-values.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ParsedCommand<S extends CommandSpec> =
  | { readonly kind: 'run'; readonly options: OptionsOf<S>; readonly operands: readonly string[] }
  /** `--help` or `--version` was asked for: print this to standard output and exit with 0. */
  | { readonly kind: 'print'; readonly text: string };

/** One option as one place set it. */
interface Setting {
  readonly raw: unknown;
  /** How a message names the place: `on the command line`, `environment CLUSTERF_TTL`, `/etc/clusterf.json`. */
  readonly from: string;
  readonly failure: typeof UsageError | typeof ConfigurationError;
}

/** One place's settings, by long option name without aliases. */
type Settings = ReadonlyMap<string, Setting>;

const CONFIG: Option = {
  type: 'string',
  group: 'General',
  describe: 'JSON file with options, its keys the long option names; the environment and the command line override it',
};

/** What a command may be given, in the order of `--help`: its own options, those that all commands have, and `--config`. */
export function allOptions(spec: CommandSpec): ReadonlyMap<string, Option> {
  return new Map([
    ...Object.entries(spec.options),
    // A command may have stated a common option itself, to give it another name besides.
    ...Object.entries(commonOptionsOf(spec)).filter(([name]) => !(name in spec.options)),
    ['config', CONFIG],
  ]);
}

/**
 * A command's options: flags over environment `CLUSTERF_*` over `--config FILE` over defaults.
 *
 * @param argv arguments without the interpreter and the program
 * @throws UsageError for a bad flag, operand or environment variable
 * @throws ConfigurationError for an unreadable file, or an unknown key or a bad value in it
 */
export async function parseOptions<const S extends CommandSpec>(
  spec: S,
  argv: readonly string[],
  env: Environment,
): Promise<ParsedCommand<S>> {
  const specs = allOptions(spec);
  const line = flagSettings(specs, argv);
  if (line.help) return { kind: 'print', text: await helpText(spec, specs) };
  if (line.version) return { kind: 'print', text: `${spec.command} ${spec.version}` };
  if (line.operands.length > 0 && spec.operands === undefined) {
    throw new UsageError(`unexpected argument ${JSON.stringify(line.operands[0])}: ${spec.command} takes options only`);
  }

  const flags: Settings = new Map(
    [...line.values].map(([name, raw]) => [name, { raw, from: 'on the command line', failure: UsageError }]),
  );
  const environment = environmentSettings(specs, env);
  const path = decode('config', CONFIG, flags.get('config') ?? environment.get('config'));
  const file = typeof path === 'string' ? fileSettings(specs, path) : new Map<string, Setting>();

  const values: Record<string, OptionValue> = {};
  for (const [name, option] of specs) {
    if (name === 'config') continue;
    values[camelCase(name)] = decode(name, option, flags.get(name) ?? environment.get(name) ?? file.get(name));
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- filled from the very spec the type is computed from
  return { kind: 'run', options: values as OptionsOf<S>, operands: line.operands };
}

function decode(name: string, option: Option, setting: Setting | undefined): OptionValue {
  if (setting === undefined) return defaultValue(option);
  const decoded = decodeValue(option, setting.raw);
  if ('value' in decoded) return decoded.value;
  const value = JSON.stringify(decoded.culprit ?? setting.raw);
  throw new setting.failure(`--${name}: ${value} (${setting.from}) is not ${decoded.expected}`);
}

function defaultValue(option: Option): OptionValue {
  if (option.type === 'boolean') return option.default ?? false;
  if (option.type === 'list') return option.default ?? [];
  if (option.default === undefined) return undefined;
  const decoded = decodeValue(option, option.default);
  // A default that its own option refuses is a mistake in the program, not of its user.
  if ('expected' in decoded) throw new TypeError(`default ${String(option.default)} is not ${decoded.expected}`);
  return decoded.value;
}

/** Unknown variables are left alone: one environment often serves several commands. */
function environmentSettings(specs: ReadonlyMap<string, Option>, env: Environment): Settings {
  const settings = new Map<string, Setting>();
  for (const [name, option] of specs) {
    for (const spelling of [name, ...aliases(option)]) {
      const variable = environmentVariable(spelling);
      const text = env[variable];
      if (text === undefined || settings.has(name)) continue;
      const raw = option.type === 'list' ? text.split(/\s+/).filter((word) => word !== '') : text;
      settings.set(name, { raw, from: `environment ${variable}`, failure: UsageError });
    }
  }
  return settings;
}

function fileSettings(specs: ReadonlyMap<string, Option>, path: string): Settings {
  const spellings = new Map<string, string>();
  for (const [name, option] of specs) for (const spelling of [name, ...aliases(option)]) spellings.set(spelling, name);

  const settings = new Map<string, Setting>();
  for (const [key, raw] of Object.entries(readJsonObject(path))) {
    const name = spellings.get(key);
    if (name === undefined || name === 'config') {
      throw new ConfigurationError(`${path}: unknown option ${JSON.stringify(key)}; expected long option names`);
    }
    if (settings.has(name)) throw new ConfigurationError(`${path}: ${name} is set twice, once as ${key}`);
    settings.set(name, { raw, from: path, failure: ConfigurationError });
  }
  return settings;
}

function readJsonObject(path: string): object {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    const cause = toError(thrown);
    throw new ConfigurationError(`--config ${path}: ${cause.message}`, { cause });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigurationError(`--config ${path}: expected a JSON object with option names as keys`);
  }
  return content;
}

/** Where an option's parsed value is found, by its long name. */
export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** What sets an option, by its long name or an alias. */
export function environmentVariable(name: string): string {
  return `CLUSTERF_${name.replaceAll('-', '_').toUpperCase()}`;
}
