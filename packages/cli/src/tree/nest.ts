/** How deep lists and mappings of a value may nest to be printed as such: far above what ours do, far below the stack. */
const MAX_DEPTH = 100;

/** Mappings nested as the paths are. */
type Nested = Map<string, unknown>;

/** Entries as one document, which `flatten` takes apart again. Values that are no JSON, or too deep, stand as text. */
export function nest(entries: Iterable<readonly [string, string]>): unknown {
  const root: Nested = new Map();
  for (const [path, text] of entries) {
    const names = path.split('/');
    const last = names.pop() ?? '';
    const at = names.reduce<Nested | undefined>((outer, name) => outer && inner(outer, name), root);
    // Where another entry is in the way, as a key has no business to be, the whole path is the name.
    if (at === undefined || at.has(last)) root.set(path, valueOf(text));
    else at.set(last, valueOf(text));
  }
  return asObject(root);
}

/** The mapping of that name, made if there is none; undefined if there is a value instead. */
function inner(outer: Nested, name: string): Nested | undefined {
  const found = outer.get(name);
  if (found instanceof Map) return found;
  if (found !== undefined) return undefined;
  const made: Nested = new Map();
  outer.set(name, made);
  return made;
}

/** `fromEntries` takes any name for a name, `__proto__` too. */
function asObject(nested: Nested): unknown {
  return Object.fromEntries([...nested].map(([name, value]) => [name, value instanceof Map ? asObject(value) : value]));
}

/** The value that a text of the tree holds; the text itself if it is no JSON, or nested too deeply to be printed. */
export function valueOf(text: string): unknown {
  try {
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    return isWithin(MAX_DEPTH, value) ? value : text;
  } catch {
    return text;
  }
}

function isWithin(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((part) => isWithin(depth - 1, part));
}
