import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { libraries } from '../e2e/image.js';
import type { Dockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';
import { importImage } from './import.js';

const run = promisify(execFile);

const DEADLINE_MS = 300_000;

/** Answers on port 80 with its host name, as the compose file's own example does. */
export const WEB = 'web';
const WEB_ROOT = `
  mkdir -p bin www/cgi-bin
  cp /bin/busybox bin
  ln -s busybox bin/sh
  printf '%s\\n' '#!/bin/sh' 'printf "Content-Type: text/plain\\r\\n\\r\\n"' 'exec busybox hostname' >www/cgi-bin/index.cgi
  chmod +x www/cgi-bin/index.cgi
`;
/** A first process of a container that has no handler of its own ignores SIGTERM. */
const WEB_CHANGES = ['CMD ["sh", "-c", "trap exit TERM; busybox httpd -f -p 80 -h /www & wait"]'];

const ETCD = 'etcd';
const ETCD_PROGRAM = '/usr/bin/etcd';

/** Runs `docker-compose` with these words. */
export type Compose = (...words: readonly string[]) => Promise<void>;

/** Makes the images that docker-compose.yml asks registries for of this machine's own programs. */
export async function importExamples(dockerd: Dockerd): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-web-'));
  try {
    await run('sh', ['-ec', WEB_ROOT], { cwd: directory });
    await importImage(dockerd, WEB, ['-C', directory, '.'], WEB_CHANGES);
  } finally {
    await rm(directory, { recursive: true });
  }
  const files = [ETCD_PROGRAM, ...(await libraries(ETCD_PROGRAM))].map((path) => path.slice(1));
  await importImage(dockerd, ETCD, ['--dereference', '-C', '/', ...files]);
}

/** Debian's docker-compose on the file as it is shipped. @param variables the file's own, beside the images' */
export function composeOn(dockerd: Dockerd, variables: Readonly<Record<string, string>>): Compose {
  const env = {
    PATH: process.env['PATH'],
    HOME: tmpdir(),
    DOCKER_HOST: dockerd.endpoint,
    DOCKER_SOCKET: dockerd.socketPath,
    WEB_IMAGE: WEB,
    ETCD_IMAGE: ETCD,
    ...variables,
  };
  return async (...words) => {
    await run('docker-compose', ['--project-name', 'quick', ...words], {
      cwd: projectRoot(),
      env,
      timeout: DEADLINE_MS,
    });
  };
}
