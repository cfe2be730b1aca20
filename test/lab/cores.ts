import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { liveWorkDirectories } from './workDirectory.js';

/** Takes the core that the fewest living machines run on, and notes it in the machine's directory. */
export function takeCore(directory: string): number {
  const taken = liveWorkDirectories().map(coreOf);
  const load = (core: number): number => taken.filter((other) => other === core).length;
  // From the highest down: the lowest is where everything else starts.
  const core = allowedCores().toSorted((a, b) => load(a) - load(b) || b - a)[0] ?? 0;
  writeFileSync(join(directory, 'core'), String(core));
  return core;
}

function coreOf(directory: string): number | undefined {
  try {
    return Number(readFileSync(join(directory, 'core'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Cores this process may run on, from the kernel's list (`0-3,6`). */
function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
