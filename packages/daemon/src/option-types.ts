/**
 * What a command says about its options, and the types its values have as a consequence.
 * Names are the long option names (`docker-endpoint`); values come back under the camel-cased name.
 */

interface Described {
  readonly describe: string;
  /** Heading in `--help`. */
  readonly group: string;
  /** Other names, such as those of the Go program; they work on the command line, in the environment and in files. */
  readonly alias?: string | readonly string[];
  /** What `--help` says in place of the default, where that is found only at run time. */
  readonly defaultText?: string;
}

/** Says what was expected instead, or undefined if the value will do. */
type Check<T> = (value: T) => string | undefined;

export interface StringOption extends Described {
  readonly type: 'string';
  readonly default?: string;
  readonly check?: Check<string>;
}

/** Given more than once on the command line; separated by white space in the environment; an array in files. */
export interface ListOption extends Described {
  readonly type: 'list';
  readonly default?: readonly string[];
  /** Applied to each element. */
  readonly check?: Check<string>;
}

export interface BooleanOption extends Described {
  readonly type: 'boolean';
  /** Absent = false. */
  readonly default?: boolean;
}

export interface NumberOption extends Described {
  readonly type: 'number';
  readonly default?: number;
  readonly check?: Check<number>;
}

/** A whole number within bounds, both inclusive. */
export interface IntegerOption extends Described {
  readonly type: 'integer';
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}

/** Value in milliseconds; the default is written the way a person would (`10s`). */
export interface DurationOption extends Described {
  readonly type: 'duration';
  readonly default?: string;
  readonly check?: Check<number>;
}

export interface ChoiceOption extends Described {
  readonly type: 'choice';
  readonly choices: readonly string[];
  readonly default?: string;
}

export type Option =
  | StringOption
  | ListOption
  | BooleanOption
  | NumberOption
  | IntegerOption
  | DurationOption
  | ChoiceOption;

export type OptionSpecs = Readonly<Record<string, Option>>;

export interface CommandSpec {
  /** The command as it is typed: `clusterf-docker`, `clusterf explain`. */
  readonly command: string;
  readonly summary: string;
  readonly version: string;
  readonly options: OptionSpecs;
  /** How the operands look in the usage line (`CONTAINER`); absent = operands are refused. */
  readonly operands?: string;
  /**
   * It is for somebody who looks on: it ends when their terminal hangs up or whoever reads its output goes away. Absent =
   * a daemon, which goes on, and to which SIGHUP means something else.
   */
  readonly attended?: boolean;
}

type Camel<S extends string> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;

type OrDefault<O, T> = O extends { readonly default: string | number } ? T : T | undefined;

type Value<O extends Option> = O extends BooleanOption
  ? boolean
  : O extends ListOption
    ? readonly string[]
    : O extends ChoiceOption
      ? OrDefault<O, O['choices'][number]>
      : O extends NumberOption | IntegerOption | DurationOption
        ? OrDefault<O, number>
        : OrDefault<O, string>;

export type Values<S extends OptionSpecs> = { readonly [K in keyof S & string as Camel<K>]: Value<S[K]> };

/** Options that every command has, beside `--config`, `--help` and `--version`. */
export const commonOptions = {
  'log-level': {
    type: 'choice',
    choices: ['error', 'warn', 'info', 'debug'],
    default: 'info',
    group: 'Logging',
    describe: 'least important level to log',
  },
  'log-format': {
    type: 'choice',
    choices: ['auto', 'text', 'json'],
    default: 'auto',
    group: 'Logging',
    describe: 'how to write the log, to standard error; auto is text on a terminal and json elsewhere',
  },
  debug: { type: 'boolean', group: 'Logging', describe: 'the same as --log-level debug' },
} as const satisfies OptionSpecs;

/** The same as a command has them: who looks on to one is told what is wrong in plain words, and for the rest sees what it does. */
export function commonOptionsOf({ attended }: CommandSpec): OptionSpecs {
  if (attended !== true) return commonOptions;
  const { 'log-level': level, 'log-format': format } = commonOptions;
  const describe = 'how to write the log, to standard error; auto is in plain words';
  return { ...commonOptions, 'log-level': { ...level, default: 'warn' }, 'log-format': { ...format, describe } };
}

export type OptionsOf<S extends CommandSpec> = Values<S['options'] & typeof commonOptions>;

/** States a command: checks its shape and keeps its literal types, from which the value types follow. */
export function defineCommand<const S extends CommandSpec>(spec: S): S {
  return spec;
}

export function aliases(option: Option): readonly string[] {
  if (option.alias === undefined) return [];
  return typeof option.alias === 'string' ? [option.alias] : option.alias;
}
