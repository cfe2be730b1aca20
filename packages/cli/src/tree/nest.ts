/** Mappings nested as the paths are. */
type Nested = Map<string, unknown>;

/** Entries as one document, which `flatten` takes apart again. Values that are no JSON stand as text. */
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

/** The value that a text of the tree holds; the text itself if it is no JSON. */
export function valueOf(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    return text;
  }
}
