import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill, processesNaming, processIdentity, processNamespace } from './processes.js';
import { labFile } from './project.js';

/**
 * Each machine has one directory on the host, named after the process that started it, with its memory, its scripts and
 * the jobs it is given: `clusterf-lab-<user>-<pid namespace>-<pid>.<start time>-<machine>-<random>`.
 */
export function createWorkDirectory(machine: string, memoryBytes: number): string {
  const owner = processIdentity(process.pid);
  const directory = mkdtempSync(join(memoryFileSystem(memoryBytes), `${prefix()}${owner}-${machine}-`));
  mkdirSync(join(directory, 'jobs'));
  mkdirSync(join(directory, 'layer'));
  return directory;
}

/** Machines of this user that live now, by their directories. */
export function liveWorkDirectories(): string[] {
  return workDirectories().filter(isOwned);
}

/**
 * Removes what machines left whose starting process and keeper were both killed: their processes first, then their
 * directories. A keeper alone does it when only the starting process dies.
 */
export function sweepWorkDirectories(): void {
  for (const directory of workDirectories()) {
    if (isOwned(directory)) continue;
    for (const pid of processesNaming(directory)) kill(pid);
    execFileSync('/bin/sh', [labFile('release.sh'), directory]);
  }
}

function prefix(): string {
  return `clusterf-lab-${process.getuid?.()}-${processNamespace()}-`;
}

function workDirectories(): string[] {
  return candidates().flatMap((parent) =>
    readdirSync(parent)
      .filter((name) => name.startsWith(prefix()))
      .map((name) => join(parent, name)),
  );
}

function isOwned(directory: string): boolean {
  const [, pid = '', startTime] = /-(\d+)\.(\d+)-[^/]*$/.exec(directory) ?? [];
  return processIdentity(Number(pid)) === `${pid}.${startTime}`;
}

/** A user-mode kernel's memory is a file: of these, the first with room whose files may be mapped executable is taken. */
function memoryFileSystem(bytes: number): string {
  const found = candidates().find((path) => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize >= bytes && !mountOptions(path).includes('noexec');
  });
  if (found === undefined) {
    throw new Error(
      `A machine needs a directory with ${Math.ceil(bytes / 2 ** 20)} MB free that is not mounted noexec; ` +
        `none of ${candidates().join(', ')} is`,
    );
  }
  return found;
}

function candidates(): string[] {
  return [...new Set(['/dev/shm', '/tmp', tmpdir()])].filter(isWritable);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function mountOptions(path: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return (
    mounts
      .findLast((line) => line.split(' ')[1] === path)
      ?.split(' ')[3]
      ?.split(',') ?? []
  );
}
