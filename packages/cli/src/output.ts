import { stringify } from 'yaml';

/** `--output`, of every command that prints data. */
export const outputOption = {
  output: {
    type: 'choice',
    choices: ['table', 'json', 'yaml'],
    default: 'table',
    alias: 'o',
    group: 'Output',
    describe: 'a table for people, or data for programs',
  },
} as const;

/** Data for a program, ending in a line feed. Texts that YAML would take for something else are quoted. */
export function asData(value: unknown, format: 'json' | 'yaml'): string {
  return format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : stringify(value, { lineWidth: 0 });
}

/** Aligned columns under a heading. @param figuresFrom as {@link alignedLines} */
export function asTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  figuresFrom = Number.POSITIVE_INFINITY,
): string {
  return alignedLines([heading, ...rows], figuresFrom)
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * Columns as wide as their widest cell, two spaces apart.
 *
 * @param figuresFrom the first of the columns that are figures, which keep to the right; none unless given
 */
export function alignedLines(
  rows: readonly (readonly string[])[],
  figuresFrom = Number.POSITIVE_INFINITY,
): readonly string[] {
  const lines = rows.map((row) => row.map(onOneLine));
  const widths: number[] = [];
  for (const line of lines)
    for (const [column, cell] of line.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  const pad = (cell: string, column: number) => {
    const missing = ' '.repeat((widths[column] ?? 0) - width(cell));
    return column < figuresFrom ? cell + missing : missing + cell;
  };
  return lines.map((line) => line.map(pad).join('  ').trimEnd());
}

/** What somebody wrote into a tree moves no cursor and starts no new line. */
export function onOneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const graphemes = new Intl.Segmenter();

/** Columns on a terminal, near enough: an emoji takes two. */
function width(text: string): number {
  // oxlint-disable-next-line no-control-regex -- ASCII from its first character on
  if (/^[\u0000-\u007f]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of graphemes.segment(text))
    columns += /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/u.test(
      segment,
    )
      ? 2
      : 1;
  return columns;
}
