import { type Environment, EXIT, runCommand } from '@clusterf/daemon';
import { asData } from '../output.js';
import { inWords } from '../tree/in-words.js';
import { command } from './command.js';
import { gatherFacts } from './gather/facts.js';
import { judge } from './judge.js';
import { printFindings } from './print.js';

export { command } from './command.js';

/** The `clusterf doctor` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options) =>
    inWords(command, async () => {
      const findings = judge(await gatherFacts(options, env));
      const { output, quiet } = options;
      process.stdout.write(
        output === 'text'
          ? printFindings(findings, { quiet, colour: process.stdout.isTTY })
          : asData(quiet ? findings.filter(({ severity }) => severity !== 'ok') : findings, output),
      );
      return findings.some(({ severity }) => severity === 'fail') ? EXIT.failed : EXIT.ok;
    }),
  );
}
