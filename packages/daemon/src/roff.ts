/**
 * Manual pages in the language that man(1) reads, `man(7)`: of all that language, what a command's page needs.
 * Texts are taken as they are: nothing in them is markup.
 */

export interface Page {
  /** `clusterf-ipvs`, as it is asked for. */
  readonly name: string;
  /** 1: commands of everybody; 8: of administrators. */
  readonly section: 1 | 8;
  /** Of the last change, `2026-01-31`. */
  readonly date: string;
  /** What it is the page of, for its foot: `clusterf 1.0`. */
  readonly source: string;
  /** What apropos(1) and whatis(1) say of it: half a line. */
  readonly whatis: string;
  /** After NAME, in this order. */
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export type Block =
  /** A paragraph; lines stay lines, an empty one begins another paragraph, and those that are indented stay as they are. */
  | { readonly text: string }
  /** Lines that are shown as they are. */
  | { readonly literal: string }
  /** A command line: its name, then what may follow. */
  | { readonly usage: string; readonly arguments: string }
  /** A term and, indented below it, what it means. `placeholder` follows the term: what a person puts there. */
  | { readonly term: string; readonly placeholder?: string; readonly text: string }
  /** A heading below the section's. */
  | { readonly heading: string };

/** The text of a manual page. */
export function manualPage({ name, section, date, source, whatis, sections }: Page): string {
  return [
    `.TH ${[name.toUpperCase(), String(section), date, source, 'clusterf'].map(argument).join(' ')}`,
    // Words are neither broken nor stretched: what is shown can be searched for and copied.
    '.nh',
    '.ad l',
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(whatis)}`,
    ...sections.flatMap(({ title, blocks }) => [`.SH ${argument(title)}`, ...blocks.flatMap(blockLines)]),
    '',
  ].join('\n');
}

function blockLines(block: Block): readonly string[] {
  if ('heading' in block) return [`.SS ${argument(block.heading)}`];
  if ('usage' in block) return [`.B ${argument(block.usage)}`, `.RI ${argument(block.arguments)}`];
  if ('literal' in block) return ['.PP', '.nf', ...block.literal.split('\n').map(escaped), '.fi'];
  if ('term' in block) {
    const { term, placeholder, text } = block;
    const head =
      placeholder === undefined ? `.B ${argument(term)}` : `.BI ${argument(term)} ${argument(` ${placeholder}`)}`;
    return ['.TP', head, ...textLines(text)];
  }
  return ['.PP', ...textLines(block.text)];
}

/** Lines of a paragraph, each a line of its own as a person wrote it. */
function textLines(text: string): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split(/\n{2,}/)) {
    if (lines.length > 0) lines.push('.PP');
    for (const [index, line] of paragraph.split('\n').entries()) {
      if (index > 0) lines.push('.br');
      lines.push(escaped(line));
    }
  }
  return lines;
}

/** One word of a request, whatever is in it. */
function argument(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`;
}

/** Text that stays what it is: no requests at the start of a line, no escapes, and hyphens that can be typed again. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[^\n -~]/gu, (character) => `\\[u${codePoint(character)}]`)
    .replace(/^(?=[.' ])/, '\\&');
}

/** At least four digits in capitals, as groff(7) wants them. */
function codePoint(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
