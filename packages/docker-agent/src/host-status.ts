/** Which run of which agent this is. */
export interface Run {
  readonly version: string;
  /** The machine's own name, whatever name its registrations go by. */
  readonly machine: string;
  readonly pid: number;
  /** By which the next run on this machine sees whether this one lives, as far as the machine has such a thing. */
  readonly process?: string | undefined;
  /** ISO 8601. */
  readonly started: string;
}

/** What there is, once Docker has told. */
export interface Count {
  readonly containers: number;
  /** That there are to be: one that is refused, or that somebody else holds, is a problem beside it. */
  readonly registrations: number;
  /** As many as `/status` has. */
  readonly problems: number;
}

/**
 * `hosts/<name>/status`: what one asks of a host first, and by which it has its name for itself. An agent that ends
 * adds `stopped`.
 */
export function hostStatus(run: Run, count?: Count): string {
  const { version, machine, pid, process, started } = run;
  const { containers, registrations, problems } = count ?? {};
  return JSON.stringify({ version, machine, pid, process, started, containers, registrations, problems });
}
