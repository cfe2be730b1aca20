const LONGEST = 60;

/** A plain value as a message quotes it: JSON, cut short, since what people wrote may be a megabyte. */
export function quote(value: string | number | boolean | null): string {
  if (typeof value === 'string' && value.length > LONGEST) {
    return `${JSON.stringify(value.slice(0, LONGEST)).slice(0, -1)}…"`;
  }
  return JSON.stringify(value);
}
