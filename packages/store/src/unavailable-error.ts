/** A source or sink cannot be reached, or not be trusted; it is tried again. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly code = 'ERR_UNAVAILABLE';

  /** @param where the source's URL, or a member of it */
  static from(where: string, cause: unknown): UnavailableError {
    if (cause instanceof UnavailableError) {
      return cause;
    }
    return new UnavailableError(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** What an error says, without the times that gRPC puts into its words: the same trouble has the same words. */
export function wordsOf({ message }: Error): string {
  return message.replaceAll(/[0-9.]+/g, '');
}
