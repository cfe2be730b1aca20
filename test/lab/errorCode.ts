/** The code of a system error (`ENOENT`). Not by class: a test runner's realm has an `Error` of its own. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
