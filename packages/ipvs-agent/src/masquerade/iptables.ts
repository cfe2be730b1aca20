import { execFile } from 'node:child_process';
import { errorCode, toError } from '@clusterf/daemon';
import { accept, type Family, type Result, reject } from '@clusterf/model';

/** The rules of one family. Whatever goes wrong is a message that names the command. */
export interface Iptables {
  /** What `iptables-save` prints, of the tables that are in use: looking brings no table into being. */
  save(): Promise<Result<string>>;
  /** Adds to what is there; of each table all or nothing. */
  restore(text: string): Promise<Result<void>>;
}

/** Milliseconds that a command may take: it waits for others that hold the lock of the rules. */
const TIMEOUT = 10_000;
/** A machine may have tens of thousands of rules. */
const MOST_OUTPUT = 64 << 20;

/**
 * The machine's own iptables, legacy or nft, as its administrator chose: the rules are then where Docker's are.
 * One family's program is `iptables`, the other's `ip6tables`.
 */
export function iptables(family: Family): Iptables {
  const program = family === 'ipv4' ? 'iptables' : 'ip6tables';
  return {
    save: async () => await run(`${program}-save`, []),
    restore: async (text) => {
      const done = await run(`${program}-restore`, ['--noflush', '--wait=5'], text);
      return done.ok ? accept(undefined) : done;
    },
  };
}

async function run(command: string, args: readonly string[], input = ''): Promise<Result<string>> {
  return await new Promise((resolve) => {
    const options = { timeout: TIMEOUT, maxBuffer: MOST_OUTPUT };
    const child = execFile(command, args, options, (error, stdout, stderr) =>
      resolve(error === null ? accept(stdout) : reject(explain(command, toError(error), stderr))),
    );
    // What does not read to its end has failed, and says so by its status.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

function explain(command: string, error: Error, stderr: string): string {
  switch (errorCode(error) ?? '') {
    case 'ENOENT':
      return `there is no ${command} here: install the package iptables`;
    case 'EACCES':
      return `${command} cannot be run: ${error.message}`;
    default: {
      const said = stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
      return `${command} failed: ${said === '' ? error.message : said}`;
    }
  }
}
