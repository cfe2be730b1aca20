import { onOneLine } from '../output.js';

/** What a person has to know of an import, beside what it made. */
export interface Remark {
  /**
   * `lost`: a virtual service or a server, or how it is set, is not in what was made: not understood, or not to be said in
   * the tree. `left`: something else that clusterf does not do, or does in another way.
   */
  readonly kind: 'lost' | 'left';
  /** Where in what was imported: `keepalived.conf:12`, or a key. */
  readonly at: string;
  /** As it is written there. */
  readonly what: string;
  readonly why: string;
}

/** How many words, and how many places, a line names. */
const NAMED = 5;

const TITLES = { lost: 'LEFT OUT', left: 'not carried over' };

/** All remarks, a line for all of one kind with one reason: a health check at each of a hundred servers is one matter. */
export function printRemarks(remarks: readonly Remark[]): string {
  return (['lost', 'left'] as const)
    .map((kind) => {
      const lines = group(remarks.filter((remark) => remark.kind === kind));
      return lines.length === 0 ? '' : `${TITLES[kind]}:\n${lines.map((line) => `  ${onOneLine(line)}\n`).join('')}`;
    })
    .join('');
}

function group(remarks: readonly Remark[]): readonly string[] {
  const reasons = new Map<string, { readonly words: Set<string>; readonly places: Set<string> }>();
  for (const { what, at, why } of remarks) {
    const { words, places } = reasons.get(why) ?? { words: new Set(), places: new Set() };
    reasons.set(why, { words: words.add(what), places: places.add(at) });
  }
  return [...reasons].map(([why, { words, places }]) => `${few([...words])} (${few(briefly([...places]))}): ${why}`);
}

function few(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return names.slice(0, NAMED).join(', ') + more;
}

/** `keepalived.conf:12, 14`: a file is named once for its lines. */
function briefly(places: readonly string[]): readonly string[] {
  let file = '';
  return places.map((place) => {
    const [, before = '', line = ''] = /^(.*):(\d+)$/.exec(place) ?? [];
    const isSame = line !== '' && before === file;
    file = before;
    return isSame ? line : place;
  });
}
