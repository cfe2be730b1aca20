/** Those of Linux, net/netfilter/ipvs/ip_vs_*.c. A kernel may have others: a module may be anybody's. */
export const LINUX_SCHEDULERS: readonly string[] = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
  'twos',
];

/**
 * Scheduler flags by name. The kernel has three bits, which each scheduler reads in its own way
 * (IP_VS_SVC_F_SCHED_* in linux/ip_vs.h).
 */
const FLAG_BITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    'sh-fallback': 1,
    'sh-port': 2,
    'mh-fallback': 1,
    'mh-port': 2,
    'flag-1': 1,
    'flag-2': 2,
    'flag-3': 4,
  }),
);

/**
 * `sh` and `mh` keep a destination of weight 0 in their table and refuse what falls on it. With the fallback
 * flag they look further, so that a drain works; `mh-port` spreads the clients behind one address.
 */
const DEFAULT_FLAGS: ReadonlyMap<string, number> = new Map(Object.entries({ sh: 1, mh: 1 | 2 }));

/**
 * The flag bits of a scheduler: those named, or the scheduler's default where nothing is said
 * (an empty list says "none"). Names the scheduler does not have come back in `unknown`.
 */
export function schedulerFlags(
  scheduler: string,
  names: readonly string[] | undefined,
): { bits: number; unknown: readonly string[] } {
  if (names === undefined) return { bits: DEFAULT_FLAGS.get(scheduler) ?? 0, unknown: [] };
  let bits = 0;
  const unknown: string[] = [];
  for (const name of names) {
    const bit = isFlagOf(scheduler, name) ? FLAG_BITS.get(name) : undefined;
    if (bit === undefined) unknown.push(name);
    else bits |= bit;
  }
  return { bits, unknown };
}

/** What {@link schedulerFlags} reads as these bits of a scheduler: by its own names where it has them. */
export function schedulerFlagNames(scheduler: string, bits: number): readonly string[] {
  const names = [...FLAG_BITS].filter(([name]) => isFlagOf(scheduler, name));
  return [1, 2, 4]
    .filter((bit) => (bits & bit) !== 0)
    .flatMap((bit) => names.find(([, each]) => each === bit)?.[0] ?? []);
}

function isFlagOf(scheduler: string, name: string): boolean {
  return name.startsWith('flag-') || name.startsWith(`${scheduler}-`);
}
