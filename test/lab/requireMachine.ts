import { readFileSync } from 'node:fs';

/**
 * The name of the machine this process runs in. Tests that change the kernel's table or its network call it first.
 * @throws Error outside a machine: the variable alone would be believed too easily
 */
export function requireMachine(): string {
  const name = process.env['CLUSTERF_LAB_MACHINE'];
  if (name === undefined || !environmentNames(name)) {
    throw new Error(
      'This changes the kernel’s tables and runs only inside a lab machine: use `npm test`, or `npm run lab` and run jest in there',
    );
  }
  return name;
}

/** A machine has its own name in a file at a place that no host has. */
function environmentNames(name: string): boolean {
  try {
    return readFileSync('/run/lab/environment', 'utf8').split('\n').includes(`NAME=${name}`);
  } catch {
    return false;
  }
}
