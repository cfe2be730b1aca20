/** keepalived.conf and what it includes, as one sequence of lines. */
import { basename, dirname, join, resolve } from 'node:path';
import { toError } from '@clusterf/daemon';
import type { Remark } from './remarks.js';

export interface Line {
  /** `keepalived.conf:12` */
  readonly at: string;
  readonly text: string;
}

/** The file system, as far as it matters here. */
export interface Files {
  readonly read: (path: string) => Promise<string>;
  /** Names in a directory. */
  readonly list: (directory: string) => Promise<readonly string[]>;
}

export interface Lines {
  readonly lines: readonly Line[];
  readonly remarks: readonly Remark[];
}

/** Files within files; keepalived has no limit, and a file that includes itself has no end. */
const DEEPEST = 16;

/** All variants: includer, includem, includew, includeb and includea differ in what keepalived checks. */
const INCLUDE = /^\s*include[rmwba]?\s+(\S.*?)\s*$/;

/**
 * Puts included files in the place of their `include`, names being relative to the file that says so.
 *
 * @param path of the text: names its lines, and is where its own includes begin
 */
export async function readLines(text: string, path: string, files: Files): Promise<Lines> {
  const lines: Line[] = [];
  const remarks: Remark[] = [];
  const lose = (at: string, what: string, why: string) => void remarks.push({ kind: 'lost', at, what, why });

  async function add(content: string, file: string, depth: number): Promise<void> {
    for (const [index, line] of content.split('\n').entries()) {
      const at = `${basename(file)}:${index + 1}`;
      const [, pattern] = INCLUDE.exec(line.replace(/\s[#!].*$/, '')) ?? [];
      if (pattern === undefined) lines.push({ at, text: line });
      else await include(pattern.replaceAll(/^["']|["']$/g, ''), file, at, depth);
    }
  }

  async function include(pattern: string, from: string, at: string, depth: number): Promise<void> {
    if (depth === DEEPEST) return lose(at, `include ${pattern}`, `it is the ${DEEPEST}th file within another`);
    if (/[{}]/.test(pattern)) return lose(at, `include ${pattern}`, 'braces are not understood here; name the files');
    const found = await matching(resolve(dirname(from), pattern), files);
    // As for keepalived, a pattern may match nothing.
    if (found.length === 0 && !isPattern(pattern)) lose(at, `include ${pattern}`, 'there is no such file');
    for (const file of found) {
      try {
        await add(await files.read(file), file, depth + 1);
      } catch (thrown) {
        lose(at, `include ${pattern}`, toError(thrown).message);
      }
    }
  }

  await add(text, path, 0);
  return { lines, remarks };
}

function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

/** The paths that a shell's pattern stands for, in the order of names. */
async function matching(pattern: string, { list }: Files): Promise<readonly string[]> {
  let paths = ['/'];
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    const next: string[] = [];
    for (const path of paths) {
      const names = await list(path).catch(() => []);
      const matches = isPattern(part)
        ? names.filter((name) => wildcard(part).test(name))
        : names.filter((name) => name === part);
      next.push(...matches.toSorted().map((name) => join(path, name)));
    }
    paths = next;
  }
  return paths;
}

/** Names that begin with a dot are meant only by patterns that do, too. */
function wildcard(part: string): RegExp {
  const source = part.replaceAll(/\[!|[.+^${}()|\\]|\*|\?/g, (found) => {
    if (found === '*') return '.*';
    if (found === '?') return '.';
    return found === '[!' ? '[^' : `\\${found}`;
  });
  return new RegExp(`^${part.startsWith('.') ? '' : '(?!\\.)'}${source}$`);
}
