import { checkName, parseKey, quote } from '@clusterf/model';

/** What a tree has at its top. */
export const TOP_LEVEL = ['services', 'routes', 'sync', 'balancers', 'drain'] as const;

/** No key has more parts; it also ends a document whose aliases lead back into itself. */
const MAX_DEPTH = 6;

export const NO_JSON = 'holds itself, is nested too deeply, or has a number that is none in JSON';

/** Something in a document that makes no entry. */
export interface Misplaced {
  readonly path: string;
  readonly message: string;
}

export interface Flat {
  /** Values as JSON text, by path. */
  readonly entries: ReadonlyMap<string, string>;
  /** What stands where no entry can be. */
  readonly misplaced: readonly Misplaced[];
  /** What no entry can be called, with all that is below it: a tree may have it from elsewhere, and so a backup of one. */
  readonly badlyNamed: readonly Misplaced[];
  /** Paths that are mentioned with nothing below them. */
  readonly silent: readonly string[];
}

/**
 * A document to entries: mappings nested as paths are, `{services: {web: {frontend: {…}}}}`, or keyed by the whole path
 * or parts of it, `{services/web/frontend: {…}}`.
 */
export function flatten(document: unknown): Flat {
  const entries = new Map<string, string>();
  const misplaced: Misplaced[] = [];
  const badlyNamed: Misplaced[] = [];
  const silent: string[] = [];

  function place(path: string, value: unknown): void {
    const { kind } = parseKey(path);
    const isEntry = path !== '' && kind !== 'unknown';
    if (!isEntry && isMapping(value) && (path === '' || path.split('/').length < MAX_DEPTH)) {
      const inside = Object.entries(value);
      if (inside.length === 0) silent.push(path);
      for (const [name, inner] of inside) placeAt(path, name, inner);
      return;
    }
    // A key with nothing after it is an empty mapping.
    if (!isEntry && value === null) {
      silent.push(path);
      return;
    }
    if (path === '') {
      misplaced.push({
        path,
        message: `the document is ${show(value)}; expected a mapping with ${TOP_LEVEL.join(', ')}`,
      });
      return;
    }
    const text = toJson(value);
    if (text === undefined) misplaced.push({ path, message: NO_JSON });
    else if (entries.has(path)) misplaced.push({ path, message: 'is given twice' });
    else entries.set(path, text);
  }

  /** @param name what the document calls it: one part of the path, or several */
  function placeAt(outer: string, name: string, value: unknown): void {
    const parts = name.replaceAll(/^\/|\/$/g, '');
    const path = outer === '' ? parts : `${outer}/${parts}`;
    const messages = parts.split('/').flatMap((part) => complaintOf(part));
    if (messages.length > 0) badlyNamed.push(...messages.map((message) => ({ path, message })));
    else place(path, value);
  }

  place('', document);
  return { entries, misplaced, badlyNamed, silent };
}

/** Undefined for what JSON has not: loops, infinities. */
export function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner === 'number' && !Number.isFinite(inner)) throw new RangeError('no number of JSON');
      return inner;
    });
  } catch {
    return undefined;
  }
}

function complaintOf(name: string): readonly string[] {
  const checked = checkName(name);
  return checked.ok ? [] : [checked.message];
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? quote(value)
    : 'nothing';
}
