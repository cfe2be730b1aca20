import type { Finding } from './findings.js';
import { flatten } from './flatten.js';
import { parseDocuments } from './parse-documents.js';
import { readInputs } from './read-input.js';

/** Of every command that takes documents. */
export const documentsOption = {
  file: {
    type: 'list',
    alias: 'f',
    group: 'Documents',
    describe: 'file, directory of *.yaml, *.yml and *.json, or - for standard input; repeatable',
  },
} as const;

/** Entries from files. */
export interface Documents {
  /** Values as JSON text, by path. */
  readonly entries: ReadonlyMap<string, string>;
  /** The name of the file that gives each. */
  readonly origins: ReadonlyMap<string, string>;
  /** What cannot be read, or stands where no entry can be: `path` is empty where that is a file's. */
  readonly findings: readonly Finding[];
  /** What no entry can be called: `path` is that of all below it too. */
  readonly badlyNamed: readonly Finding[];
  /** Paths that are mentioned with nothing below them. */
  readonly silent: readonly string[];
}

/**
 * Reads all that `--file` names.
 *
 * @throws {FailureError} if a file cannot be read, or somebody interrupts it
 */
export async function readDocuments(names: readonly string[], signal: AbortSignal): Promise<Documents> {
  const entries = new Map<string, string>();
  const origins = new Map<string, string>();
  const findings: Finding[] = [];
  const badlyNamed: Finding[] = [];
  const silent: string[] = [];
  const wrong = (path: string, name: string, message: string, among = findings) =>
    among.push({
      level: 'error',
      path: path === '' ? name : path,
      message: path === '' ? message : `${message} (${name})`,
    });
  for (const { name, text } of await readInputs(names, signal)) {
    const parsed = parseDocuments(text);
    if (!parsed.ok) {
      wrong('', name, `is neither JSON nor YAML: ${parsed.message}`);
      continue;
    }
    for (const document of parsed.documents) {
      const flat = flatten(document);
      for (const { path, message } of flat.misplaced) wrong(path, name, message);
      for (const { path, message } of flat.badlyNamed) wrong(path, name, message, badlyNamed);
      silent.push(...flat.silent);
      for (const [path, value] of flat.entries) {
        const other = origins.get(path);
        if (other === undefined) {
          entries.set(path, value);
          origins.set(path, name);
        } else wrong(path, name, `is given twice, by ${other} too`);
      }
    }
  }
  return { entries, origins, findings, badlyNamed, silent };
}
