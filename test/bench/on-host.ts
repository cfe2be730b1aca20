import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs a script on the host, as root, with a network and mounts of its own, which go with it. What it prints is shown.
 *
 * @returns its standard output
 * @throws {Error} if its status is not 0
 */
export async function runOnHost(script: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn('unshare', ['--net', '--mount', process.execPath, ...script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${script[0]}: status ${child.exitCode}`);
  return output;
}
