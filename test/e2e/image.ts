import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Dockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';

const run = promisify(execFile);

/** The image of the containers that answer: this Node, the libraries it is linked with, and `server.js`. */
export const SERVER_IMAGE = 'web';

/** Makes it of the machine's own files, so that no registry is asked. */
export async function importServerImage(dockerd: Dockerd): Promise<void> {
  const node = [process.execPath, ...(await libraries(process.execPath))].map((path) => path.slice(1));
  const app = ['-C', join(projectRoot(), 'test', 'dist'), 'e2e/server.js', 'e2e/pattern.js'];
  // package.json says that these are ES modules.
  const type = ['-C', join(projectRoot(), 'test', 'e2e', 'image'), 'package.json'];
  // Streamed: a hundred megabytes need not be written twice before Docker writes them.
  const script = 'tar --dereference -cf - "$@" | docker --host "$ENDPOINT" import --change "$ENTRY" - "$IMAGE"';
  await run('sh', ['-c', script, 'sh', '-C', '/', ...node, ...app, ...type], {
    env: {
      ...process.env,
      ENDPOINT: dockerd.endpoint,
      ENTRY: `ENTRYPOINT ${JSON.stringify([process.execPath, '/e2e/server.js'])}`,
      IMAGE: SERVER_IMAGE,
    },
  });
}

/** The shared libraries of a program, as the dynamic loader finds them. */
export async function libraries(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}
