/** The results as docs/benchmarks.md has them. */
import { markdownTable, milliseconds } from '../markdown.js';
import { type ContenderResults, type Results, spread } from './results.js';

export function reportOf(results: Results): string {
  const contenders = Object.values(results);
  return [`### A server more\n\n${growthTable(contenders)}`, `### A server less\n\n${declineTable(contenders)}`].join(
    '\n\n',
  );
}

function growthTable(contenders: readonly ContenderResults[]): string {
  const rows = contenders.map(({ title, growth }) => [
    title,
    String(growth.length),
    ...figures(growth.map(({ command }) => command)),
    ...figures(growth.flatMap(({ listening }) => listening ?? [])),
    total(growth),
  ]);
  const headings = [
    'what',
    'runs',
    'command → its first byte, p50',
    'worst',
    'it listens → its first byte, p50',
    'worst',
    'connections that failed',
  ];
  return markdownTable(headings, rows);
}

function declineTable(contenders: readonly ContenderResults[]): string {
  const rows = contenders.map(({ title, decline }) => [
    title,
    String(decline.length),
    ...figures(decline.map(({ command }) => command)),
    total(decline),
  ]);
  return markdownTable(['what', 'runs', 'command → its last answer, p50', 'worst', 'connections that failed'], rows);
}

function figures(values: readonly number[]): readonly [string, string] {
  if (values.length === 0) return ['', ''];
  const { p50, worst } = spread(values);
  return [milliseconds(p50), milliseconds(worst)];
}

function total(runs: readonly { readonly failures: number }[]): string {
  return String(runs.reduce((sum, { failures }) => sum + failures, 0));
}
