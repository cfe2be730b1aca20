import { relative } from 'node:path';
import { encodeReport, type TestReport, type TestStatus } from './report.js';

/** What is read of jest's own types (`AssertionResult` and `TestResult` of @jest/test-result). */
interface CaseResult {
  readonly fullName: string;
  readonly status: string;
  readonly duration?: number | null;
  readonly failureMessages: readonly string[];
}

interface FileResult {
  readonly testResults: readonly CaseResult[];
  readonly failureMessage?: string | null;
  /** Set when the file itself could not be run: it does not load, or a hook outside all tests failed. */
  readonly testExecError?: unknown;
}

interface TestFile {
  readonly path: string;
}

/** The jest reporter of `npm test`: one line a test, for the runner to read. Tests appear as they end. */
export default class LineReporter {
  readonly #seen = new Set<string>();

  onTestCaseResult(file: TestFile, result: CaseResult): void {
    this.#report(file, result);
  }

  onTestResult(file: TestFile, result: FileResult): void {
    // Skipped tests are never reported as they end, nor are tests of a file that failed as a whole.
    for (const test of result.testResults) this.#report(file, test);
    const failedWithoutTest =
      result.testExecError !== undefined && result.testExecError !== null
        ? true
        : Boolean(result.failureMessage) && !result.testResults.some(({ status }) => status === 'failed');
    if (failedWithoutTest) {
      write({
        file: relative(process.cwd(), file.path),
        title: '(the file)',
        status: 'failed',
        milliseconds: 0,
        message: result.failureMessage ?? String(result.testExecError),
      });
    }
  }

  #report({ path }: TestFile, { fullName, status, duration, failureMessages }: CaseResult): void {
    const key = `${path}\0${fullName}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    write({
      file: relative(process.cwd(), path),
      title: fullName,
      status: statusOf(status),
      milliseconds: duration ?? 0,
      message: failureMessages.map(withoutRunner).join('\n'),
    });
  }
}

/** A failure's stack without the frames of jest itself. */
function withoutRunner(message: string): string {
  return message
    .split('\n')
    .filter((line) => !/^\s+at .*\/node_modules\/jest/.test(line) && !/^\s+at new Promise \(<anonymous>\)$/.test(line))
    .join('\n');
}

function statusOf(status: string): TestStatus {
  return status === 'passed' || status === 'failed' ? status : 'skipped';
}

function write(report: TestReport): void {
  // On a line of its own, whatever a test left on the last one.
  process.stdout.write(`\n${encodeReport(report)}\n`);
}
