/** A table, as docs/benchmarks.md shows it; columns are padded, so that it can be read on a terminal too. */
export function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => width(row[column]))));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(headings), line(widths.map((length) => '-'.repeat(length))), ...rows.map(line)].join('\n');
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0;
}

/** Of milliseconds. */
export function seconds(value: number): string {
  return `${(value / 1000).toFixed(2)} s`;
}

/** Of milliseconds too. */
export function milliseconds(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

/** How many times faster, or slower, the one took than the other. */
export function times(other: number, one: number): string {
  return `${(other / one).toFixed(1)} ×`;
}
