import { EXIT, type Environment, printAll } from '@clusterf/daemon';
import { SUBCOMMANDS } from './subcommands.js';
import { VERSION } from './version.js';

const SUMMARY = 'Containers published on virtual addresses, balanced by the kernel: the operator’s command.';

/** The `clusterf` command: finds the command that is named first and leaves the rest to it. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--version') return await printAll('clusterf', `clusterf ${VERSION}\n`);
  if (name === '--help' || name === '-h') return await printAll('clusterf', await help());
  if (name === 'help')
    return rest[0] === undefined ? await printAll('clusterf', await help()) : await main([rest[0], '--help'], env);
  if (name === undefined) return refuse('a command is missing');
  const load = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (load === undefined) return refuse(`unknown command ${JSON.stringify(name)}`);
  const subcommand = await load();
  return await subcommand.main(rest, env);
}

async function help(): Promise<string> {
  const width = Math.max(...Object.keys(SUBCOMMANDS).map((name) => name.length));
  const lines = await Promise.all(
    Object.entries(SUBCOMMANDS).map(async ([name, load]) => {
      return `  ${name.padEnd(width)}  ${inShort((await load()).command.summary)}`;
    }),
  );
  return [
    'clusterf COMMAND [options]',
    '',
    SUMMARY,
    '',
    'Commands:',
    ...lines,
    '',
    'clusterf COMMAND --help says more of each. Agents: clusterf-docker, clusterf-ipvs.',
    'Exit codes: 0 fine, 1 failed, 2 usage, 3 configuration.',
    '',
  ].join('\n');
}

/** As far as the first full stop or colon. */
function inShort(summary: string): string {
  return summary.replace(/[.:]\s[^]*$/, '').replace(/\.$/, '');
}

function refuse(complaint: string): number {
  process.stderr.write(`clusterf: ${complaint}\nTry 'clusterf --help'.\n`);
  return EXIT.usage;
}
