import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Dockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';
import { importBase } from './base.js';

const run = promisify(execFile);

/** `classic` is what Docker before 23 and docker-compose 1 build with, unless told otherwise. */
export type Builder = 'classic' | 'BuildKit';

/** What the image is built on, for as long as it is. */
export const BASE = 'base';
const DEADLINE_MS = 300_000;
/** Debian's own, which has BuildKit in it; of later versions it is a plugin. */
const DOCKER = '/usr/bin/docker';

/**
 * Builds the image by the Dockerfile, of the bundles that this checkout has, and without a network.
 *
 * @param name what to call it
 */
export async function buildImage(dockerd: Dockerd, name: string, builder: Builder = 'classic'): Promise<void> {
  await importBase(dockerd, BASE);
  const args = ['--build-arg', `BASE=${BASE}`, '--build-arg', 'PREBUILT=1', '--network', 'none', '--no-cache'];
  await run(DOCKER, ['--host', dockerd.endpoint, 'build', ...args, '--tag', name, projectRoot()], {
    env: { ...process.env, DOCKER_BUILDKIT: builder === 'BuildKit' ? '1' : '0' },
    timeout: DEADLINE_MS,
  });
  await removeLeftovers(dockerd);
}

/** Nothing of what an image was built of is in it, and in a machine of the lab all this is memory. */
async function removeLeftovers({ docker }: Dockerd): Promise<void> {
  await docker('rmi', '--force', BASE);
  await docker('image', 'prune', '--force');
  await docker('builder', 'prune', '--all', '--force');
}
