import {
  CommandError,
  CONFIGURATION_CODE,
  type CommandSpec,
  errorCode,
  EXIT,
  isBug,
  toError,
  UsageError,
} from '@clusterf/daemon';
import { onOneLine } from '../output.js';

/**
 * Runs what a person waits for: what goes wrong outside is told in the words of its message, and not by what caused it.
 * A bug is left to the shell around the command.
 *
 * @returns the exit code
 */
export async function inWords(spec: CommandSpec, run: () => Promise<number | void>): Promise<number> {
  try {
    return (await run()) ?? EXIT.ok;
  } catch (thrown) {
    const error = toError(thrown);
    const code = errorCode(error);
    if (!(error instanceof CommandError) && (code === undefined || isBug(error))) throw error;
    complain(spec, error.message);
    if (error instanceof UsageError) process.stderr.write(`Try '${spec.command} --help'.\n`);
    if (error instanceof CommandError) return error.exitCode;
    return code === CONFIGURATION_CODE ? EXIT.configuration : EXIT.failed;
  }
}

/** To standard error, at once, the way usage errors are told. */
export function complain({ command }: Pick<CommandSpec, 'command'>, complaint: string): void {
  process.stderr.write(`${command}: ${onOneLine(complaint)}\n`);
}
