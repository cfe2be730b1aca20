import { constants } from 'node:os';

const NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));

/** Docker on Linux counts real-time signals from glibc's ends. */
const RTMIN = 34;
const RTMAX = 64;

export const SIGTERM = constants.signals.SIGTERM;
export const SIGKILL = constants.signals.SIGKILL;

/**
 * The number of a signal as STOPSIGNAL and `docker kill` take it: `15`, `TERM`, `SIGTERM`, `SIGRTMIN+3`
 * (systemd's), in either case. Undefined if it is none.
 */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, 'SIG');
  const [, end, sign, offset] = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (end === undefined) return NUMBERS.get(name);
  return (end === 'MIN' ? RTMIN : RTMAX) + (sign === '-' ? -1 : 1) * Number(offset ?? 0);
}
