/** A source or sink cannot be reached, or not be trusted; it is tried again. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly code = 'ERR_UNAVAILABLE';

  /** @param where the source's URL, or a member of it */
  static from(where: string, cause: unknown): UnavailableError {
    if (cause instanceof UnavailableError) {
      return cause;
    }
    return new UnavailableError(`${where}: ${lasting(cause instanceof Error ? cause.message : String(cause))}`, {
      cause,
    });
  }
}

/** What gRPC says, without its code and what is another with every attempt: dates, and how the time was spent. */
function lasting(message: string): string {
  return message
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace(/(Deadline exceeded) after .*$/s, '$1')
    .replace(/\.? Resolution note:.*$/s, '')
    .replaceAll(/ \(\d{4}-\d\d-\d\dT[^)]*\)/g, '');
}

/**
 * The kind of trouble, as far as it matters for what to do about it. While etcd is away its connections are refused,
 * dropped and left without an answer by turns: that is one trouble. Credentials and certificates are others.
 */
export function kindOf(error: Error): string {
  const { message } = error.cause instanceof Error ? error.cause : error;
  const isAway = /^(1 CANCELLED|4 DEADLINE_EXCEEDED|14 UNAVAILABLE)\b|^the watch ended/.test(message);
  return isAway && !/certificate|self.signed|altname|\bTLS\b|\bSSL\b/i.test(message) ? 'away' : wordsOf(error);
}

/** What an error says without its figures: the same trouble has the same words. */
export function wordsOf({ message }: Error): string {
  return message.replaceAll(/[0-9.]+/g, '');
}
