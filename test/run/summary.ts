import type { Layer } from './layers.js';
import type { TestReport } from './report.js';

export interface LayerResult {
  readonly layer: Layer;
  readonly tests: readonly TestReport[];
  readonly milliseconds: number;
  /** Why the layer as a whole failed, apart from its tests. */
  readonly failure?: string;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A layer that failed as a whole counts as one failed test. */
export function count(results: readonly LayerResult[]): Counts {
  const of = (status: TestReport['status']): number =>
    results.flatMap(({ tests }) => tests).filter((test) => test.status === status).length;
  const layers = results.filter(({ failure }) => failure !== undefined).length;
  return { passed: of('passed'), failed: of('failed') + layers, skipped: of('skipped') };
}

/** The very last line of a run: `N passed, N failed`, and `, N skipped` if any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}

/** Every failure with its message, then counts and time by layer. */
export function summarize(results: readonly LayerResult[]): string {
  return [...results.flatMap(failures), '', ...table(results)].join('\n');
}

function failures({ layer, tests, failure }: LayerResult): string[] {
  const failed = tests
    .filter(({ status }) => status === 'failed')
    .map(({ file, title, message }) => `\n✗ ${layer}: ${title}\n  ${file}\n${indent(message)}`);
  return failure === undefined ? failed : [...failed, `\n✗ ${layer}: the layer itself\n${indent(failure)}`];
}

function table(results: readonly LayerResult[]): string[] {
  const header = ['layer', 'passed', 'failed', 'skipped', 'time'];
  const rows = results.map((result) => {
    const { passed, failed, skipped } = count([result]);
    return [result.layer, `${passed}`, `${failed}`, `${skipped}`, seconds(result.milliseconds)];
  });
  return [header, ...rows].map(([name = '', ...cells]) =>
    [name.padEnd(8), ...cells.map((cell) => cell.padStart(9))].join(''),
  );
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
