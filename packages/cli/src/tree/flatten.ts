import { checkName, parseKey, quote } from '@clusterf/model';

/** What a tree has at its top. */
export const TOP_LEVEL = ['services', 'routes', 'sync', 'balancers', 'drain'] as const;

/** No key has more parts; it also ends a document whose aliases lead back into itself. */
const MAX_DEPTH = 6;

export const NO_JSON = 'holds itself, is nested too deeply, or has a number that is none in JSON';

export interface Flat {
  /** Values as JSON text, by path. */
  readonly entries: ReadonlyMap<string, string>;
  /** What stands where no entry can be, by path. */
  readonly misplaced: readonly { readonly path: string; readonly message: string }[];
}

/**
 * A document to entries: mappings nested as paths are, `{services: {web: {frontend: {…}}}}`, or keyed by the whole path
 * or parts of it, `{services/web/frontend: {…}}`.
 */
export function flatten(document: unknown): Flat {
  const entries = new Map<string, string>();
  const misplaced: { path: string; message: string }[] = [];

  function place(path: string, value: unknown): void {
    const { kind } = parseKey(path);
    const isEntry = path !== '' && kind !== 'unknown';
    if (!isEntry && isMapping(value) && (path === '' || path.split('/').length < MAX_DEPTH)) {
      for (const [name, inner] of Object.entries(value)) placeAt(path, name, inner);
      return;
    }
    // An empty mapping of services, or a key with nothing after it, says nothing.
    if (!isEntry && value === null) return;
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
    if (messages.length > 0) misplaced.push(...messages.map((message) => ({ path, message })));
    else place(path, value);
  }

  place('', document);
  return { entries, misplaced };
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
