import { allOptions, camelCase, type CommandSpec, formatDuration, type Option, parseOptions } from '@clusterf/daemon';
import { command, type UpOptions } from './command.js';

/** Options as a command has parsed them, by their camel-cased names. */
type Parsed = Readonly<Record<string, unknown>>;

/**
 * Options as the arguments that give them to a command, which may be another than the one that parsed them: what it does
 * not have is left out.
 *
 * @param usual those of these values are left out too
 */
export function argumentsFor(spec: CommandSpec, options: Parsed, usual: Parsed = {}): readonly string[] {
  return [...allOptions(spec)].flatMap(([name, option]) => {
    const key = camelCase(name);
    const value = options[key];
    if (value === undefined || JSON.stringify(value) === JSON.stringify(usual[key])) return [];
    return (Array.isArray(value) ? value : [value]).map((each) => `--${name}=${written(option, each)}`);
  });
}

/** What a `clusterf up` was told, but for what is so by default. */
export async function upArguments(options: UpOptions): Promise<readonly string[]> {
  const usual = await parseOptions(command, [], {});
  return argumentsFor(command, options, usual.kind === 'run' ? usual.options : {});
}

function written({ type }: Option, value: unknown): string {
  return type === 'duration' && typeof value === 'number' ? formatDuration(value) : String(value);
}
