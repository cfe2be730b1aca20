const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const TERM = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;
const DURATION = new RegExp(`^(?:${TERM.source})+$`);
const SECONDS = /^\d+(?:\.\d+)?$/;

/**
 * A length of time as Go's `time.ParseDuration` writes it (`10s`, `500ms`, `1m30s`, `1.5h`), or a plain number
 * of seconds. Signs are not taken: no option of ours means anything by a negative time.
 *
 * @returns milliseconds, or undefined if the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  if (SECONDS.test(text)) return Number(text) * 1_000;
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(TERM)) total += Number(amount) * (UNIT_MS[unit] ?? 0);
  return total;
}

/** The shortest way to write a duration of whole milliseconds that `parseDuration` reads back. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Math.floor((ms % 60_000) / 1_000);
  const rest = ms % 1_000;
  return [
    hours > 0 ? `${hours}h` : '',
    minutes > 0 ? `${minutes}m` : '',
    seconds > 0 ? `${seconds}s` : '',
    rest > 0 ? `${rest}ms` : '',
  ].join('');
}
