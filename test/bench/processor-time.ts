import { readdirSync, readFileSync } from 'node:fs';

const TICK = 10; // sysconf(_SC_CLK_TCK) is 100 wherever Linux runs Node.

interface Stat {
  readonly parent: number;
  /** User and system time so far, in milliseconds. */
  readonly time: number;
}

/** User and system time that a process has used so far, in milliseconds. */
export function processorTime(pid: number): number {
  return statOf(pid).time;
}

/** The same of all processes that descend from one and still run. */
export function timeOfDescendants(ancestor: number): number {
  const stats = allStats();
  return descendants(stats, ancestor).reduce((sum, pid) => sum + (stats.get(pid)?.time ?? 0), 0);
}

/** Processes that descend from one. */
export function descendantsOf(ancestor: number): readonly number[] {
  return descendants(allStats(), ancestor);
}

function descendants(stats: ReadonlyMap<number, Stat>, ancestor: number): readonly number[] {
  const descends = (pid: number): boolean => {
    const parent = stats.get(pid)?.parent;
    return parent !== undefined && (parent === ancestor || descends(parent));
  };
  return [...stats.keys()].filter(descends);
}

function allStats(): ReadonlyMap<number, Stat> {
  return new Map(readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? running(Number(name)) : [])));
}

function running(pid: number): readonly (readonly [number, Stat])[] {
  try {
    return [[pid, statOf(pid)]];
  } catch {
    return []; // It has just ended.
  }
}

/** From /proc/PID/stat, after the program's name, which may hold anything. */
function statOf(pid: number): Stat {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return { parent: Number(fields[1]), time: (Number(fields[11]) + Number(fields[12])) * TICK };
}
