import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Dockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';

const run = promisify(execFile);

/** The image of the containers that answer: this Node, the libraries it is linked with, and `server.js`. */
export const SERVER_IMAGE = 'web';

/** Builds it from the machine's own files, so that no registry is asked. */
export async function importServerImage(dockerd: Dockerd): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'image-'));
  try {
    const root = join(directory, 'root');
    for (const file of [process.execPath, ...(await libraries(process.execPath))]) {
      await mkdir(join(root, dirname(file)), { recursive: true });
      await copyFile(file, join(root, file));
    }
    await mkdir(join(root, 'app'));
    for (const file of ['server.js', 'pattern.js'])
      await copyFile(join(projectRoot(), 'test', 'dist', 'e2e', file), join(root, 'app', file));
    await writeFile(join(root, 'app', 'package.json'), '{"type":"module"}');
    const tarball = join(directory, 'image.tar');
    await run('tar', ['-C', root, '-cf', tarball, '.']);
    const entry = JSON.stringify([process.execPath, '/app/server.js']);
    await dockerd.docker('import', '--change', `ENTRYPOINT ${entry}`, '--change', 'EXPOSE 8080', tarball, SERVER_IMAGE);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The shared libraries of a program, as the dynamic loader finds them. */
async function libraries(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}
