import type { Writable } from 'node:stream';

/** Milliseconds. */
const FLUSH_WITHIN = 2_000;

/**
 * Resolves when all that was written has gone out, or after 2 s if nobody takes it. Needed before `process.exit`: a
 * pipe takes only so much at once.
 */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_WITHIN);
    // Answered when everything before it has been.
    stream.write('', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
