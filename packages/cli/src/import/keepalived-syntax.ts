/** keepalived.conf as nested directives: comments, conditions, parameters, quotes and blocks. Of what they mean nothing. */
import type { Line } from './keepalived-lines.js';
import type { Remark } from './remarks.js';

/** A keyword with its words, and what is between its braces. */
export interface Directive {
  readonly at: string;
  readonly words: readonly string[];
  readonly block?: readonly Directive[];
}

export interface Parsed {
  readonly directives: readonly Directive[];
  readonly remarks: readonly Remark[];
}

/** A directive that is being read. */
interface Growing {
  readonly at: string;
  readonly words: string[];
  block?: Growing[];
}

/** Against a parameter that contains itself. */
const MOST_SUBSTITUTIONS = 100;

/** @param configId which lines that begin with `@` are meant: keepalived's --config-id */
export function parseDirectives(lines: readonly Line[], configId: string): Parsed {
  const remarks: Remark[] = [];
  const top: Growing[] = [];
  const open: Growing[] = [];
  for (const { at, text } of effectiveLines(lines, configId)) {
    let current: Growing | undefined;
    const level = () => open.at(-1)?.block ?? top;
    for (const token of tokens(text)) {
      if (token === '{') {
        // An opening brace on a line of its own belongs to the line before.
        const opened = current ?? level().at(-1);
        if (opened === undefined || opened.block !== undefined) {
          remarks.push({ kind: 'lost', at, what: '{', why: 'it opens a block of nothing' });
          continue;
        }
        opened.block = [];
        open.push(opened);
        current = undefined;
      } else if (token === '}') {
        if (open.pop() === undefined) remarks.push({ kind: 'lost', at, what: '}', why: 'no block is open here' });
        current = undefined;
      } else if (current === undefined) {
        current = { at, words: [unquoted(token)] };
        level().push(current);
      } else current.words.push(unquoted(token));
    }
  }
  for (const { at, words } of open)
    remarks.push({
      kind: 'lost',
      at,
      what: words.join(' '),
      why: 'its block is never closed: what follows may be in it',
    });
  return { directives: top, remarks };
}

/** The lines that count: comments and other machines' lines gone, parameters put in. */
function effectiveLines(lines: readonly Line[], configId: string): readonly Line[] {
  const parameters = new Map<string, string>();
  const effective: Line[] = [];
  const add = ({ at, text }: Line, depth: number): void => {
    const line = whereMeant(text, configId);
    if (line === undefined) return;
    const [, name, value = ''] = /^\s*\$([A-Za-z_]\w*)=(.*)$/s.exec(line) ?? [];
    if (name !== undefined) {
      parameters.set(name, value.trim());
      return;
    }
    const substituted = substitute(line, parameters);
    if (substituted === line || depth === MOST_SUBSTITUTIONS) effective.push({ at, text: line });
    // What was put in may have conditions, further lines and parameters of its own.
    else for (const each of substituted.split('\n')) add({ at, text: each }, depth + 1);
  };
  for (const line of continued(lines.map(({ at, text }) => ({ at, text: uncommented(text) })))) add(line, 0);
  return effective;
}

/** A line that ends with a backslash goes on in the next. */
function continued(lines: readonly Line[]): readonly Line[] {
  const joined: Line[] = [];
  let begun: Line | undefined;
  for (const { at, text } of lines) {
    const [, head] = /^(.*)\\\s*$/s.exec(text) ?? [];
    const whole: Line =
      begun === undefined ? { at, text: head ?? text } : { at: begun.at, text: `${begun.text}\n${head ?? text}` };
    begun = head === undefined ? undefined : whole;
    if (begun === undefined) joined.push(whole);
  }
  return begun === undefined ? joined : [...joined, begun];
}

/** From `#` or `!` on, outside of quotes. */
function uncommented(text: string): string {
  const [, kept = ''] = /^((?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^#!"'])*)/s.exec(text) ?? [];
  return kept;
}

/** A line that begins with `@id` is of the machine with that id, with `@^id` of all others. */
function whereMeant(text: string, configId: string): string | undefined {
  const [, not, id, rest = ''] = /^\s*@(\^?)(\S*)(.*)$/s.exec(text) ?? [];
  if (id === undefined) return text;
  return (id === configId) === (not === '') ? whereMeant(rest, configId) : undefined;
}

function substitute(text: string, parameters: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{(\w+)\}|\$(\w+)(?=\s|$)/g, (found, braced?: string, plain?: string) => {
    return parameters.get(braced ?? plain ?? '') ?? found;
  });
}

/** Words, quoted ones whole, and braces. */
function tokens(text: string): readonly string[] {
  return text.match(/"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[{}]|[^\s{}"']+/gs) ?? [];
}

function unquoted(word: string): string {
  return /^["']/.test(word) ? word.replaceAll(/^["']|["']$/g, '') : word;
}
