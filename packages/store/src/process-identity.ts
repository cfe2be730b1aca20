/** Telling one process of a machine from all others, living or dead, as Linux does. */
import { readFileSync, readlinkSync } from 'node:fs';

/** What /proc says of a process, `proc(5)`: `stat`, fields 3 and 22. */
interface Process {
  /** One letter; `Z` and `X` are dead. */
  readonly state: string;
  /** In clock ticks since the kernel was started: a later process of the same number has another. */
  readonly started: string;
}

/**
 * A text that no other process has, of whatever machine or container: the kernel's run, the namespace in which process
 * numbers count, the number and the time of start.
 *
 * @returns undefined where /proc is missing, or is another namespace's
 */
export function processIdentity(pid: number): string | undefined {
  const place = placeOfProcesses();
  const found = place === undefined ? undefined : processOf(pid);
  return place === undefined || found === undefined ? undefined : `${place} ${pid} ${found.started}`;
}

/**
 * Whether the process with this identity is certain to have ended. Of one elsewhere, on another machine or in another
 * container, nothing can be known from here.
 */
export function isDead(identity: string): boolean {
  const [, place, pid, started] = /^(\S+ \S+) (\d+) (\d+)$/.exec(identity) ?? [];
  if (place === undefined || place !== placeOfProcesses()) return false;
  const found = processOf(Number(pid));
  if (found !== undefined) return found.started !== started || found.state === 'Z' || found.state === 'X';
  // It may only be hidden from us (`hidepid`).
  return !exists(Number(pid));
}

/** Where a process number means one process: `<boot id> pid:[<inode>]`. */
function placeOfProcesses(): string | undefined {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

function processOf(pid: number): Process | undefined {
  try {
    // The name, in parentheses before, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(')').at(-1)?.trim().split(' ') ?? [];
    const [state, started] = [fields[0], fields[19]];
    return state === undefined || started === undefined ? undefined : { state, started };
  } catch {
    return undefined;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH');
  }
}
