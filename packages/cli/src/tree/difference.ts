import { valueOf } from './nest.js';

/** Which fields of a value differ, for a person: `tcp 80 → 81, udp 53 → none`. Empty for values without fields. */
export function difference(before: string, after: string): string {
  const [old, now] = [fields(before), fields(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((name) => old.get(name) !== now.get(name))
    .map((name) => `${name} ${old.get(name) ?? 'none'} → ${now.get(name) ?? 'none'}`)
    .join(', ');
}

/** Each field's value as JSON, by name. */
function fields(text: string): ReadonlyMap<string, string> {
  const value = valueOf(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map();
  return new Map(Object.entries(value).map(([name, field]) => [name, JSON.stringify(field)]));
}
