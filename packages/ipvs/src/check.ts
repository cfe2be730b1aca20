/** Checks of single values. Each returns the value, typed, or throws an ArgumentError that names the field. */
import { canonicalAddress } from './address.js';
import { ArgumentError } from './errors.js';
import type { Family } from './types.js';

export function integer(field: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new ArgumentError(field, value, `an integer from ${least} to ${most}`);
  }
  return value;
}

export function boolean(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ArgumentError(field, value, 'true or false');
  return value;
}

/** A name that the kernel keeps in 16 bytes, the last of which is NUL. */
export function name(field: string, value: unknown): string {
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,15}$/.test(value)) {
    throw new ArgumentError(field, value, 'a name of 1 to 15 printable ASCII characters');
  }
  return value;
}

export function oneOf<const T extends string>(field: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((one) => one === value);
  if (choice === undefined) throw new ArgumentError(field, value, `one of ${choices.join(', ')}`);
  return choice;
}

/** The address in canonical form. */
export function address(field: string, value: unknown, family: Family): string {
  const canonical = typeof value === 'string' ? canonicalAddress(family, value) : undefined;
  if (canonical === undefined)
    throw new ArgumentError(field, value, `an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address`);
  return canonical;
}
