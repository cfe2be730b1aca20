/** The outcome of reading a text: the value, or what is wrong with it in words for the person who wrote it. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export function accept<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function reject(message: string): Result<never> {
  return { ok: false, message };
}
