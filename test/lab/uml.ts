import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { labFile } from './project.js';

export interface UmlSettings {
  readonly directory: string;
  /** As the kernel takes it: `512M`, `2G`. */
  readonly memory: string;
  /** The one core of the host that all its threads run on: hopping between cores doubles the cost of system calls. */
  readonly core: number;
  /** See MachineOptions. */
  readonly interfaces?: readonly string[];
}

/** The command that starts a user-mode kernel whose first process is boot.sh. Orders come in on descriptor 3. */
export function umlCommand({ directory, memory, core, interfaces = [] }: UmlSettings): string[] {
  const shim = hasWideRegisters() ? [`LD_PRELOAD=${buildShim(directory)}`] : [];
  return [
    'taskset',
    '--cpu-list',
    String(core),
    'env',
    `TMPDIR=${directory}`,
    ...shim,
    'linux',
    `mem=${memory}`,
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    // The work directory may be in /dev/shm, which the kernel's own /dev would hide.
    'devtmpfs.mount=0',
    `init=${join(directory, 'boot.sh')}`,
    'con=null',
    'con0=null,fd:1',
    'ssl0=fd:3,null',
    'selinux=0',
    'quiet',
    `uml_dir=${directory}/`,
    'umid=kernel',
    // Many packets a system call, and segments joined, both ways.
    ...interfaces.map((name, index) => `vec${index}:transport=raw,ifname=${name},depth=128,gro=1`),
  ];
}

/** Whether this processor's register file is wider than the kernel's buffer for it (see ptrace.c). */
export function hasWideRegisters(): boolean {
  return /^flags\s*:.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/**
 * Compiles ptrace.c, once per version of it, into the user's cache, or into `directory` where there is none to write to.
 * @returns the shared object's path
 */
export function buildShim(directory: string): string {
  const source = labFile('ptrace.c');
  const version = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const cache = cacheFor(directory);
  const object = join(cache, `ptrace-${version}.so`);
  if (!existsSync(object)) {
    const unfinished = `${object}.${process.pid}`;
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', unfinished, source], { stdio: 'pipe' });
    renameSync(unfinished, object);
  }
  return object;
}

function cacheFor(directory: string): string {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'clusterf-lab');
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
    return cache;
  } catch {
    return directory;
  }
}
