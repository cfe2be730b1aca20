import { execFile } from 'node:child_process';
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { libraries } from '../e2e/image.js';
import type { Dockerd } from '../fixtures/dockerd.js';
import { importImage } from './import.js';

const run = promisify(execFile);

const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** Which Debian has as links into /usr. */
const TOP_LEVEL = ['/bin', '/sbin', '/lib', '/lib64'];

/** What the Dockerfile's scripts call of a Debian with Node in it. */
const PROGRAMS = ['bash', 'sh', 'setpriv', 'setcap', 'sed'];
const COREUTILS = ['basename', 'cp', 'env', 'install', 'ln', 'mkdir', 'sort'];

/** Makes a base for the image of this machine's own programs and their libraries, since no registry can be asked. */
export async function importBase(dockerd: Dockerd, name: string): Promise<void> {
  const programs = [process.execPath, ...(await Promise.all([...PROGRAMS, ...COREUTILS].map(whereIs)))];
  const linked = (await Promise.all(programs.map(libraries))).flat();
  const files = await Promise.all([...programs, ...linked, '/usr/bin/ldd'].map(withTarget));
  const links = await Promise.all(TOP_LEVEL.map(async (path) => ((await isLink(path)) ? [path] : [])));
  const paths = [...new Set([...links.flat(), ...files.flat()])].map((path) => path.slice(1));
  await importImage(dockerd, name, ['-C', '/', ...paths], [`ENV PATH=${dirname(process.execPath)}:${SYSTEM_PATH}`]);
}

async function whereIs(program: string): Promise<string> {
  const { stdout } = await run('sh', ['-c', 'command -v "$0"', program], { env: { PATH: SYSTEM_PATH } });
  return stdout.trim();
}

/** A path as it is once those above it are followed, and where it leads itself, if it is a link. */
async function withTarget(path: string): Promise<string[]> {
  return [join(await realpath(dirname(path)), basename(path)), await realpath(path)];
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false;
  }
}
