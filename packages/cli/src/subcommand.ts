import type { CommandSpec, Environment } from '@clusterf/daemon';

/** What a module of a command exports, be it `clusterf status` or a command of its own such as `clusterf-ipvs`. */
export interface Subcommand {
  /** Options and summary: `--help`, the manual page and the completion are made from it. */
  readonly command: CommandSpec;
  /** @param argv what follows the command's name @returns the exit code */
  readonly main: (argv: readonly string[], env: Environment) => Promise<number>;
}
