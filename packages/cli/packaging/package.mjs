/**
 * `npm run package`: makes the Debian package for machines like this one, of the commands as they are built, and prints
 * its path on the last line.
 *
 *   --output DIRECTORY   where to put it; default: dist/ of the checkout
 *   --version VERSION    the package's version; default: the commands'
 *
 * Of one commit it is the same bytes every time, unless Node differs. DEBFULLNAME and DEBEMAIL name who answers for it.
 */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { VERSION } from '../dist/version.js';
import { contents } from './contents.mjs';
import { controlFiles } from './control.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
/** Debian's names of what Node calls these. */
const ARCHITECTURES = { arm: 'armhf', arm64: 'arm64', ia32: 'i386', x64: 'amd64' };

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: join(ROOT, 'dist') },
    version: { type: 'string', default: VERSION },
  },
});
const about = {
  version: values.version,
  architecture: architecture(),
  maintainer: `${process.env.DEBFULLNAME ?? 'the clusterf authors'} <${process.env.DEBEMAIL ?? 'clusterf@localhost'}>`,
  date: lastChange(),
};
console.log(await build());

function architecture() {
  const name = ARCHITECTURES[process.arch];
  if (process.platform !== 'linux' || name === undefined) {
    fail(
      `no package for ${process.platform} on ${process.arch}: expected Linux on ${Object.keys(ARCHITECTURES).join(', ')}`,
    );
  }
  return name;
}

/** So that what is made of the same commit is the same: https://reproducible-builds.org/specs/source-date-epoch/ */
function lastChange() {
  const { SOURCE_DATE_EPOCH: given } = process.env;
  const seconds = given ?? output('git', ['-C', ROOT, 'log', '-1', '--format=%ct']) ?? Math.floor(Date.now() / 1000);
  return new Date(Number(seconds) * 1000);
}

function output(program, args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined; // Not a checkout.
  }
}

/** @returns the package's path */
async function build() {
  const files = await contents(about);
  const control = await controlFiles(files, about);
  const staging = await mkdtemp(join(tmpdir(), 'clusterf-package-'));
  try {
    for (const file of files) await put(join(staging, file.path), file);
    for (const file of control) await put(join(staging, 'DEBIAN', file.path), file);
    await chmod(staging, 0o755);
    await mkdir(values.output, { recursive: true });
    const target = join(resolve(values.output), `clusterf_${about.version}_${about.architecture}.deb`);
    const args = ['--build', '--root-owner-group', staging, target];
    execFileSync('dpkg-deb', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(about.date.getTime() / 1000) },
    });
    return target;
  } catch (error) {
    if (error.code === 'ENOENT' && error.path === 'dpkg-deb') fail('dpkg-deb is missing: it is in the package dpkg');
    throw error;
  } finally {
    await rm(staging, { recursive: true });
  }
}

async function put(path, { link, data, mode = 0o644 }) {
  // What is made here is the same for every umask.
  await mkdir(dirname(path), { recursive: true });
  if (link !== undefined) return await symlink(link, path);
  await writeFile(path, data);
  await chmod(path, mode);
}

function fail(message) {
  process.stderr.write(`package: ${message}\n`);
  process.exit(1);
}
