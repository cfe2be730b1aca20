import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errorCode } from './errorCode.js';

/** What tells a process from all earlier and later ones that bear its number; undefined when there is none. */
export function processIdentity(pid: number): string | undefined {
  const fields = readProc(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  // Counted from the state, which is field 3 of proc(5): the start time is field 22. A zombie is as good as gone.
  return fields === undefined || fields[0] === 'Z' ? undefined : `${pid}.${fields[19]}`;
}

/** Process numbers mean something only within their namespace: its number. */
export function processNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

/** Numbers of the processes that have `word` somewhere on their command line. */
export function processesNaming(word: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && readProc(`/proc/${entry}/cmdline`)?.includes(word))
    .map(Number);
}

/** Kills a process, or a process group where the number is negative, unless it is gone already. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** Processes come and go while one looks at them. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String(errorCode(error)))) return undefined;
    throw error;
  }
}
