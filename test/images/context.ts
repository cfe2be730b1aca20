import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Dockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';

const run = promisify(execFile);

/** What the Dockerfile's `COPY . .` gets, as .dockerignore has it. */
export async function exportContext(dockerd: Dockerd, directory: string): Promise<void> {
  const script = `
    printf 'FROM scratch\\nCOPY . /\\n' | docker build --quiet --tag context --file - "$0"
    docker export "$(docker create context none)" | tar -C "$1" -x
  `;
  const env = { ...process.env, DOCKER_HOST: dockerd.endpoint, DOCKER_BUILDKIT: '0' };
  await run('sh', ['-ec', script, projectRoot(), directory], { env });
}

/** What `npm ci` would do in there: this checkout's packages of npm, and the directory's own beside them. */
export async function linkModules(directory: string): Promise<void> {
  const from = join(projectRoot(), 'node_modules');
  const to = join(directory, 'node_modules');
  await rm(to, { recursive: true });
  await mkdir(join(to, '@clusterf'), { recursive: true });
  const others = (await readdir(from)).filter((name) => !['@clusterf', 'clusterf'].includes(name));
  for (const name of others) await symlink(join(from, name), join(to, name));
  for (const name of await readdir(join(from, '@clusterf')))
    await symlink(join(directory, 'packages', name), join(to, '@clusterf', name));
  const nested = join('packages', 'daemon', 'node_modules');
  await symlink(join(projectRoot(), nested), join(directory, nested));
}
