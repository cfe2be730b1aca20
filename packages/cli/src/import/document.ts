import { onOneLine } from '../output.js';

/** Entries of the tree as `clusterf apply -f` takes them: one document, paths to values. */

/** YAML that is read at a glance and compared line by line: an entry a line, its value as JSON, which YAML contains. */
export function yamlDocument(entries: ReadonlyMap<string, string>, comment: string): string {
  const lines = [...entries].map(([path, text]) => `${key(path)}: ${spaced(text)}\n`);
  return `# ${onOneLine(comment)}\n${lines.length === 0 ? '{}\n' : lines.join('')}`;
}

export function jsonDocument(entries: ReadonlyMap<string, string>): string {
  return `${JSON.stringify(Object.fromEntries([...entries].map(([path, text]) => [path, JSON.parse(text)])), null, 2)}\n`;
}

/** Plain where no reader of YAML could take it for anything else. */
function key(path: string): string {
  return /^[A-Za-z][\w./-]*$/.test(path) ? path : JSON.stringify(path);
}

/** One line: line feeds in JSON are between its parts only. */
function spaced(text: string): string {
  return JSON.stringify(JSON.parse(text), null, 1).replaceAll(/\n\s*/g, ' ');
}
