import { parseDuration } from './duration.js';
import type { Option } from './option-types.js';

export type OptionValue = string | number | boolean | readonly string[] | undefined;

/**
 * A value that passed, or what would have: the caller knows where it came from and words the message. `culprit` is the
 * one of a list that did not.
 */
export type Decoded = { readonly value: OptionValue } | { readonly expected: string; readonly culprit?: string };

/**
 * Turns text (from a flag or the environment) or JSON (from a file) into an option's value.
 * Numbers and booleans are taken as text too, since files are often generated from variables.
 */
export function decodeValue(option: Option, raw: unknown): Decoded {
  switch (option.type) {
    case 'boolean':
      return decodeBoolean(raw);
    case 'list':
      return decodeList(raw, option.check);
    case 'string':
      return typeof raw === 'string' ? checked(raw, option.check) : { expected: 'a string' };
    case 'choice':
      return typeof raw === 'string' && option.choices.includes(raw)
        ? { value: raw }
        : { expected: `one of ${option.choices.join(', ')}` };
    case 'number': {
      const value = toNumber(raw);
      return value === undefined ? { expected: 'a number' } : checked(value, option.check);
    }
    case 'integer': {
      const value = toNumber(raw);
      const fits = value !== undefined && Number.isInteger(value) && value >= option.min && value <= option.max;
      return fits ? { value } : { expected: `a whole number from ${option.min} to ${option.max}` };
    }
    case 'duration': {
      const value = typeof raw === 'string' || typeof raw === 'number' ? parseDuration(String(raw)) : undefined;
      return value === undefined
        ? { expected: 'a duration such as 10s, 500ms or 1m30s, or a number of seconds' }
        : checked(value, option.check);
    }
  }
}

function checked<T extends string | number>(value: T, check?: (value: T) => string | undefined): Decoded {
  const expected = check?.(value);
  return expected === undefined ? { value } : { expected };
}

function decodeBoolean(raw: unknown): Decoded {
  if (raw === true || raw === 'true' || raw === '1') return { value: true };
  if (raw === false || raw === 'false' || raw === '0') return { value: false };
  return { expected: 'true or false' };
}

function decodeList(raw: unknown, check?: (value: string) => string | undefined): Decoded {
  const value = typeof raw === 'string' ? [raw] : raw;
  if (!isStrings(value)) return { expected: 'a string or an array of strings' };
  for (const element of value) {
    const expected = check?.(element);
    if (expected !== undefined) return { expected, culprit: element };
  }
  return { value };
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}

function toNumber(raw: unknown): number | undefined {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw !== 'string' || !/^[+-]?\d+(\.\d+)?$/.test(raw)) return undefined;
  return Number(raw);
}
