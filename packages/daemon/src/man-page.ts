import { aliases, type CommandSpec, type Option } from './option-types.js';
import { allOptions } from './options.js';
import { type Block, manualPage, type Section } from './roff.js';

export interface ManPageOptions {
  readonly section: 1 | 8;
  /** Of the last change, `2026-01-31`. */
  readonly date: string;
  /** Sections of its own, before what all commands have in common. */
  readonly more?: readonly Section[];
  /** Other pages: `clusterf(1)`. */
  readonly seeAlso?: readonly string[];
}

/** The manual page of a command, from what its `--help` is made of. */
export function manPage(spec: CommandSpec, { section, date, more = [], seeAlso = [] }: ManPageOptions): string {
  return manualPage({
    name: spec.command.replaceAll(' ', '-'),
    section,
    date,
    source: `clusterf ${spec.version}`,
    whatis: firstSentence(spec.summary),
    sections: [
      {
        title: 'SYNOPSIS',
        blocks: [{ usage: spec.command, arguments: ['[options]', spec.operands ?? []].flat().join(' ') }],
      },
      { title: 'DESCRIPTION', blocks: [{ text: spec.summary }] },
      { title: 'OPTIONS', blocks: options(spec) },
      ...more,
      {
        title: 'ENVIRONMENT',
        blocks: [
          {
            text:
              'Every option can also be set in the environment: CLUSTERF_ and its name in capitals, with _ for -, ' +
              'so CLUSTERF_LOG_LEVEL for --log-level. A flag overrides the environment, which overrides the --config file.',
          },
        ],
      },
      {
        title: 'EXIT STATUS',
        blocks: [
          { term: '0', text: 'fine' },
          { term: '1', text: 'failed' },
          { term: '2', text: 'usage: an option or operand that makes no sense' },
          { term: '3', text: 'configuration: a file that cannot be read or makes no sense' },
        ],
      },
      ...(seeAlso.length === 0 ? [] : [{ title: 'SEE ALSO', blocks: [{ text: seeAlso.join(', ') }] }]),
    ],
  });
}

/** What whatis(1) says in half a line. */
function firstSentence(summary: string): string {
  const [line = ''] = summary.split('\n');
  return line.replace(/\.(?= [A-Z]|$).*$/, '');
}

/** By group, in the order of `--help`. */
function options(spec: CommandSpec): readonly Block[] {
  const groups = new Map<string, Block[]>();
  const add = (group: string, block: Block) => groups.set(group, [...(groups.get(group) ?? []), block]);
  for (const [name, option] of allOptions(spec)) add(option.group, optionBlock(name, option));
  add('General', { term: '-h, --help', text: 'Print this help and exit.' });
  add('General', { term: '--version', text: 'Print the version and exit.' });
  return [...groups].flatMap(([heading, blocks]) => [{ heading }, ...blocks]);
}

function optionBlock(name: string, option: Option): Block {
  const spellings = [name, ...aliases(option)].map((word) => (word.length === 1 ? `-${word}` : `--${word}`));
  const value = placeholder(option);
  return {
    term: spellings.join(', '),
    ...(value === undefined ? {} : { placeholder: value }),
    text: [sentence(option.describe), ...byDefault(option)].join('\n'),
  };
}

function placeholder(option: Option): string | undefined {
  switch (option.type) {
    case 'boolean':
      return undefined;
    case 'choice':
      return option.choices.join('|');
    case 'duration':
      return 'DURATION';
    case 'number':
    case 'integer':
      return 'NUMBER';
    case 'string':
    case 'list':
      return 'VALUE';
  }
}

/** Descriptions are written to be a column of `--help`. */
function sentence(describe: string): string {
  return `${describe.charAt(0).toUpperCase()}${describe.slice(1)}${describe.endsWith('.') ? '' : '.'}`;
}

function byDefault({ default: value, defaultText }: Option): readonly string[] {
  const text = defaultText ?? (Array.isArray(value) ? value.join(' ') : value);
  return text === undefined || text === '' || typeof text === 'boolean' ? [] : [`Default: ${String(text)}`];
}
