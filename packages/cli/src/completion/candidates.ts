import { allOptions, type CommandSpec, type Option } from '@clusterf/daemon';

/** What a word may be, and what that means. */
export interface Candidate {
  readonly word: string;
  readonly description?: string;
}

/** Where in a command line the last word is. */
export type Place =
  /** It names an option. */
  | { readonly kind: 'option' }
  /** It is an option's value. */
  | { readonly kind: 'value'; readonly option: Option; readonly written: string; readonly before: string }
  /** `before`: the operands that are there already. */
  | { readonly kind: 'operand'; readonly written: string; readonly before: readonly string[] };

/**
 * Finds out what the last word is.
 *
 * @param words what follows the command's name, the last one as far as it is typed. bash takes `--output=js` for three
 */
export function placeOf(spec: CommandSpec, words: readonly string[]): Place {
  const options = spellings(spec);
  const takesValue = (word: string | undefined) => {
    const option = word?.startsWith('-') === true ? options.get(word) : undefined;
    return option === undefined || option.type === 'boolean' ? undefined : option;
  };
  const written = words.at(-1) ?? '';
  const [, name, value = ''] = /^(--[^=]+)=(.*)$/s.exec(written) ?? [];
  const inOne = takesValue(name);
  if (inOne !== undefined) return { kind: 'value', option: inOne, written: value, before: `${name ?? ''}=` };
  const split =
    written === '=' ? takesValue(words.at(-2)) : words.at(-2) === '=' ? takesValue(words.at(-3)) : undefined;
  if (split !== undefined) return { kind: 'value', option: split, written: written === '=' ? '' : written, before: '' };
  const before = operandsOf(words.slice(0, -1), takesValue);
  if (words.slice(0, -1).includes('--')) return { kind: 'operand', written, before };
  const option = takesValue(words.at(-2));
  if (option !== undefined) return { kind: 'value', option, written, before: '' };
  return written.startsWith('-') ? { kind: 'option' } : { kind: 'operand', written, before };
}

function operandsOf(words: readonly string[], takesValue: (word: string) => Option | undefined): readonly string[] {
  const end = words.indexOf('--');
  const operands = (end === -1 ? words : words.slice(0, end)).filter((word, index, all) => {
    const previous = all[index - 1];
    return !word.startsWith('-') && (previous === undefined || takesValue(previous) === undefined);
  });
  return end === -1 ? operands : [...operands, ...words.slice(end + 1)];
}

/** The options by how they are typed, long ones first. */
export function optionCandidates(spec: CommandSpec): readonly Candidate[] {
  const own = [...spellings(spec)].map(([word, { describe }]) => ({ word, description: describe }));
  return [
    ...own,
    { word: '--help', description: 'print this help and exit' },
    { word: '--version', description: 'print the version and exit' },
  ];
}

/** The values that an option names itself; none where any will do. */
export function valueCandidates(option: Option): readonly Candidate[] {
  return option.type === 'choice' ? option.choices.map((word) => ({ word })) : [];
}

/** What a usage line spells out for its first operand: `bash|zsh|fish`, `[host|backend|balancer] NAME`. */
export function operandCandidates({ operands = '' }: CommandSpec): readonly Candidate[] {
  const [choices] = /\b[a-z0-9]+(?:\|[a-z0-9]+)+\b/.exec(operands) ?? [];
  return choices === undefined ? [] : choices.split('|').map((word) => ({ word }));
}

function spellings(spec: CommandSpec): ReadonlyMap<string, Option> {
  return new Map(
    [...allOptions(spec)].flatMap(([name, option]) => {
      return [name, ...[option.alias ?? []].flat()].map(
        (each) => [each.length === 1 ? `-${each}` : `--${each}`, option] as const,
      );
    }),
  );
}
