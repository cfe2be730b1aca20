import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Tells what happens on standard output: chapters, commands with what they print, and what was found to be so. */
export class Narrator {
  readonly #env: Readonly<Record<string, string>>;
  #chapters = 0;

  /** @param env added to the environment of every command, so that the lines shown are the lines an operator types */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  chapter(title: string): void {
    this.#chapters += 1;
    this.say(`\n── ${this.#chapters}. ${title} ──`);
  }

  /** Runs a line of shell and shows it with its output. @returns the output @throws Error if it fails */
  async shell(line: string): Promise<string> {
    this.say(`$ ${line}`);
    const { stdout } = await run('sh', ['-c', line], { env: { ...process.env, ...this.#env } });
    const output = stdout.trimEnd() || (line.startsWith('kill') ? '' : '(nothing)');
    if (output !== '') this.say(output.replace(/^/gm, '  '));
    return stdout;
  }

  /** Something the story claims. @throws Error if it is not so */
  claim(text: string, isSo: boolean): void {
    this.say(`${isSo ? '✓' : '✗'} ${text}`);
    if (!isSo) throw new Error(`not so: ${text}`);
  }
}
