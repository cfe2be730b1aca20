import * as z from 'zod';
import { parseAddress } from './addresses.js';
import { quote } from './quote.js';
import type { Family } from './types.js';

/**
 * The building blocks of the tree's schemas. Each says in its message what was found and what was expected;
 * the name of the field is put in front where the messages of an entry are gathered.
 */

/** A value as a message shows it: JSON, cut short. */
function show(value: unknown): string {
  // Not by JSON.stringify, which descends as deep as somebody nested.
  if (Array.isArray(value)) {
    return 'a list';
  }
  if (isObject(value)) {
    return 'an object';
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null
    ? quote(value)
    : 'nothing';
}

function expected(what: string): { error: (issue: { readonly input?: unknown }) => string } {
  return {
    error: ({ input }) =>
      input === undefined ? `is missing; expected ${what}` : `is ${show(input)}; expected ${what}`,
  };
}

export function integer(what: string, min: number, max: number) {
  return z.custom<number>(
    (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
    expected(`${what}, a whole number from ${min} to ${max}`),
  );
}

export function oneOf<const T extends string>(values: readonly T[]) {
  return z.custom<T>((value) => values.some((each) => each === value), expected(`one of ${values.join(', ')}`));
}

export const flag = z.boolean(expected('true or false'));

export const text = z.string(expected('a text'));

/** A name for the kernel: `length` bytes at most, no white space and no slash. */
export function kernelName(what: string, length: number) {
  const pattern = new RegExp(`^[!-.0-~]{1,${length}}$`);
  return z.custom<string>(
    (value) => typeof value === 'string' && pattern.test(value),
    expected(`${what}, 1 to ${length} characters without spaces`),
  );
}

/** A list; where a text will do, its words. */
export function list<T extends z.ZodType>(item: T, what: string) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(/[\s,]+/).filter((word) => word !== '') : value),
    z.array(item, expected(what)),
  );
}

/** Canonical text of an address, of one family or of either. */
export function address(family?: Family) {
  return text.transform((value, context) => {
    // Go's `ParseIP().To4()` took an IPv4 address in its IPv6 dress; so must we.
    const mapped = family === 'ipv4' ? /^::ffff:([0-9.]+)$/i.exec(value)?.[1] : undefined;
    const parsed = parseAddress(mapped ?? value, family);
    if (parsed.ok) {
      return parsed.value.text;
    }
    context.addIssue(parsed.message);
    return z.NEVER;
  });
}

/** An object whose field names are matched without regard to case; fields that are not in the shape are ignored. */
export function record<S extends z.ZodRawShape>(shape: S) {
  const fold = folding(Object.keys(shape));
  return z.preprocess(
    (value) => (isObject(value) ? fold(Object.entries(value)).known : value),
    z.object(shape, expected('an object')),
  );
}

/**
 * A field that may be absent. In meaning zod's `exactOptional`, which however finds out by trying the schema and throwing
 * its issues away: four times the work for an entry most of whose fields are absent. JSON has no `undefined` to tell apart.
 */
export function optional<T extends z.ZodType>(schema: T): z.ZodExactOptional<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types differ by `undefined`, which never comes
  return schema.optional() as unknown as z.ZodExactOptional<T>;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface Folded {
  /** Under the names of the shape, the last one written winning, as with Go. */
  readonly known: Readonly<Record<string, unknown>>;
  /** As written. */
  readonly unknown: Readonly<Record<string, unknown>>;
}

/**
 * What sorts fields into those that are known, under the name they are known by, and the others. Fields that are
 * `null` or an empty text are absent, as they were for the Go program, to which they meant the zero value.
 */
export function folding(names: readonly string[]): (fields: readonly (readonly [string, unknown])[]) => Folded {
  const canonical = new Map(names.map((name) => [name.toLowerCase(), name]));
  return (fields) => {
    const known = new Map<string, unknown>();
    const unknown = new Map<string, unknown>();
    for (const [written, value] of fields) {
      const name = canonical.get(written.toLowerCase());
      if (name === undefined) {
        unknown.set(written, value);
      } else if (value === '') {
        known.delete(name);
      } else if (value !== null) {
        known.set(name, value);
      }
    }
    return { known: Object.fromEntries(known), unknown: Object.fromEntries(unknown) };
  };
}
