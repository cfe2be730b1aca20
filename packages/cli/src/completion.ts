import {
  type CommandSpec,
  defineCommand,
  type Environment,
  parseOptions,
  runCommand,
  UsageError,
} from '@clusterf/daemon';
import { etcdOptions, openTree } from '@clusterf/store';
import { basename } from 'node:path';
import {
  type Candidate,
  operandCandidates,
  optionCandidates,
  placeOf,
  valueCandidates,
} from './completion/candidates.js';
import { completionScript, SHELLS } from './completion/scripts.js';
import { isNamed, nameCandidates, pathCandidates } from './completion/tree-paths.js';
import { onOneLine } from './output.js';
import type { Subcommand } from './subcommand.js';
import { inWords } from './tree/in-words.js';
import { treeOptions } from './tree/tree-options.js';
import { VERSION } from './version.js';

/** How to load a command, by its name. */
export type Commands = Readonly<Record<string, () => Promise<Subcommand>>>;

/** Milliseconds for etcd to say what names there are: a person is waiting between two keys. */
const PATIENCE = 1000;

const command = defineCommand({
  command: 'clusterf completion',
  summary:
    'Prints what makes a shell complete our commands at TAB.\n\n' +
    'bash: source <(clusterf completion bash) in ~/.bashrc; zsh: the same with zsh, after compinit, in ~/.zshrc; ' +
    'fish: clusterf completion fish | source in ~/.config/fish/config.fish. ' +
    'Commands, options, their choices and, where the tree can be read, its paths and names are completed.',
  version: VERSION,
  operands: SHELLS.join('|'),
  attended: true,
  options: {},
});

/**
 * The `clusterf completion` command.
 *
 * @param subcommands of `clusterf`
 * @param others commands beside it
 */
export function completion(subcommands: Commands, others: Commands): Subcommand {
  return {
    command,
    main: async (argv, env) =>
      await runCommand(command, argv, env, async (_, { operands: [what, ...words] }) =>
        inWords(command, async () => {
          process.stdout.write(what === 'words' ? await candidates(words) : script(what));
        }),
      ),
  };

  function script(what: string | undefined): string {
    const shell = SHELLS.find((each) => each === what);
    if (shell === undefined) throw new UsageError(`expected one of ${SHELLS.join(', ')}`);
    return completionScript(shell, ['clusterf', ...Object.keys(others)]);
  }

  /** A line each, for the scripts: the word and, after a tab, what it means. */
  async function candidates([program = '', ...words]: readonly string[]): Promise<string> {
    const found = await complete(basename(program), words, process.env);
    return found
      .map(
        ({ word, description }) =>
          `${onOneLine(word)}${description === undefined ? '' : `\t${onOneLine(description)}`}\n`,
      )
      .join('');
  }

  async function complete(program: string, words: readonly string[], env: Environment): Promise<readonly Candidate[]> {
    if (program !== 'clusterf') return await completeWords(await specOf(others, program), words, env);
    const [name = '', ...rest] = words;
    if (rest.length > 0) return await completeWords(await specOf(subcommands, name), rest, env);
    return startingWith(name, [
      ...(await Promise.all(
        Object.keys(subcommands).map(async (word) => {
          const [description = ''] = ((await specOf(subcommands, word))?.summary ?? '').split('\n');
          return { word, description };
        }),
      )),
      { word: 'help', description: 'Says what a command does.' },
      { word: '--help' },
      { word: '--version' },
    ]);
  }
}

async function specOf(commands: Commands, name: string): Promise<CommandSpec | undefined> {
  return Object.hasOwn(commands, name) ? (await commands[name]?.())?.command : undefined;
}

async function completeWords(
  spec: CommandSpec | undefined,
  words: readonly string[],
  env: Environment,
): Promise<readonly Candidate[]> {
  if (spec === undefined) return [];
  const place = placeOf(spec, words);
  switch (place.kind) {
    case 'option':
      return startingWith(words.at(-1) ?? '', optionCandidates(spec));
    case 'value':
      return startingWith(place.written, valueCandidates(place.option)).map(({ word }) => ({
        word: place.before + word,
      }));
    case 'operand': {
      const { written, before } = place;
      const usage = spec.operands ?? '';
      const paths = async () => await pathsOfTree(spec, words.slice(0, -1), env);
      if (/\bPATH\b/.test(usage)) return pathCandidates(await paths(), written);
      const [kind] = before;
      if (before.length === 1 && isNamed(kind)) return startingWith(written, nameCandidates(await paths(), kind));
      if (before.length > 0) return [];
      if (/\bSERVICE\/BACKEND\b/.test(usage)) return startingWith(written, nameCandidates(await paths(), 'backend'));
      return startingWith(written, operandCandidates(spec));
    }
  }
}

/** All there are in the tree that the words so far name; none if it cannot be asked, since there is nobody to tell. */
async function pathsOfTree(spec: CommandSpec, words: readonly string[], env: Environment): Promise<Iterable<string>> {
  // Its own options are parsed along, and not asked for.
  const options: typeof treeOptions = { ...spec.options, ...treeOptions };
  try {
    const parsed = await parseOptions({ ...spec, options }, words, env);
    if (parsed.kind === 'print') return [];
    using tree = openTree(parsed.options.configSource[0] ?? 'etcd:', etcdOptions(parsed.options), PATIENCE);
    return (await tree.read()).keys();
  } catch {
    return [];
  }
}

function startingWith(written: string, all: readonly Candidate[]): readonly Candidate[] {
  return all.filter(({ word }) => word.startsWith(written));
}
