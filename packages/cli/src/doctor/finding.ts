/** What one look at one thing came to. */
export interface Finding {
  /** What was looked at, in a word or two: `forwarding`. */
  readonly check: string;
  /** `fail`: it does not work like this. `warn`: it works, or nobody can tell, and somebody had better look at it. */
  readonly severity: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What it leads to. */
  readonly why?: string;
  /** What to type, a command a line. */
  readonly mend?: string;
}

type Trouble = Required<Pick<Finding, 'found' | 'why'>> & Pick<Finding, 'mend'>;

export function ok(check: string, found: string): Finding {
  return { check, severity: 'ok', found };
}

export function warn(check: string, trouble: Trouble): Finding {
  return { check, severity: 'warn', ...trouble };
}

export function fail(check: string, trouble: Trouble): Finding {
  return { check, severity: 'fail', ...trouble };
}

/** The first few of many, as a sentence has them. */
export function some(names: readonly string[], most = 3): string {
  const more = names.length > most ? ` and ${names.length - most} more` : '';
  return names.slice(0, most).join(', ') + more;
}
