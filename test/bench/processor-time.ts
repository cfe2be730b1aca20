import { readFileSync } from 'node:fs';

const TICK = 10; // sysconf(_SC_CLK_TCK) is 100 wherever Linux runs Node.

/** User and system time that a process has used so far, in milliseconds. */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
