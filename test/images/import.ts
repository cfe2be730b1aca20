import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Dockerd } from '../fixtures/dockerd.js';

/**
 * Makes an image of files of this machine, since no registry can be asked.
 *
 * @param files as tar takes them, with `-C DIRECTORY` and other options among them
 * @param changes instructions of a Dockerfile
 */
export async function importImage(
  dockerd: Dockerd,
  name: string,
  files: readonly string[],
  changes: readonly string[] = [],
): Promise<void> {
  // Streamed: a hundred megabytes need not be written twice before Docker writes them.
  const tar = spawn('tar', ['-cf', '-', ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
  const flags = changes.flatMap((change) => ['--change', change]);
  const words = ['--host', dockerd.endpoint, 'import', ...flags, '-', name];
  const docker = spawn('docker', words, { stdio: [tar.stdout, 'ignore', 'inherit'] });
  tar.stdout.destroy(); // It is docker's alone: when that ends, tar ends too.
  const [[tarCode], [dockerCode]] = await Promise.all([once(tar, 'exit'), once(docker, 'exit')]);
  if (tarCode !== 0 || dockerCode !== 0)
    throw new Error(`${name}: tar ended with ${tarCode}, docker with ${dockerCode}`);
}
