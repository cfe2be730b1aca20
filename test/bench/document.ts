import { readFile, writeFile } from 'node:fs/promises';

/** Puts text between the markers that the document has for a section. @throws {Error} if it has none */
export async function writeSection(path: string, section: string, text: string): Promise<void> {
  const [begin, end] = [`<!-- ${section}: begin -->`, `<!-- ${section}: end -->`];
  const document = await readFile(path, 'utf8');
  const [before, rest] = split(document, begin);
  const [, after] = split(rest, end);
  await writeFile(path, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}

function split(text: string, marker: string): readonly [string, string] {
  const at = text.indexOf(marker);
  if (at === -1) throw new Error(`no ${marker} in the document`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
