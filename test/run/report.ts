/** What the reporter inside jest tells the runner, which may be another process in another machine: lines of text. */

export type TestStatus = 'passed' | 'failed' | 'skipped';

export interface TestReport {
  readonly file: string;
  readonly title: string;
  readonly status: TestStatus;
  readonly milliseconds: number;
  /** Why it failed; empty otherwise. */
  readonly message: string;
}

/** Unlikely in what a test prints; a line that starts with it and cannot be read is shown as it is. */
const MARK = '@clusterf-test@ ';

export function encodeReport(report: TestReport): string {
  return `${MARK}${JSON.stringify(report)}`;
}

/** The report in a line, or undefined when it is any other line. */
export function decodeReport(line: string): TestReport | undefined {
  if (!line.startsWith(MARK)) return undefined;
  try {
    const value: unknown = JSON.parse(line.slice(MARK.length));
    return isReport(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isReport(value: unknown): value is TestReport {
  return (
    typeof value === 'object' &&
    value !== null &&
    'file' in value &&
    typeof value.file === 'string' &&
    'title' in value &&
    typeof value.title === 'string' &&
    'status' in value &&
    (value.status === 'passed' || value.status === 'failed' || value.status === 'skipped') &&
    'milliseconds' in value &&
    typeof value.milliseconds === 'number' &&
    'message' in value &&
    typeof value.message === 'string'
  );
}
