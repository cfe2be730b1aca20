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

/** How many places a line names. */
const NAMED = 5;

const TITLES = { lost: 'LEFT OUT', left: 'not carried over' };

/** All remarks, a line for all of one kind with one reason: a health check at each of a hundred servers is one matter. */
export function printRemarks(remarks: readonly Remark[]): string {
  return (['lost', 'left'] as const)
    .map((kind) => {
      const lines = group(remarks.filter((remark) => remark.kind === kind));
      return lines.length === 0 ? '' : `${TITLES[kind]}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
    })
    .join('');
}

function group(remarks: readonly Remark[]): readonly string[] {
  const groups = new Map<string, { readonly first: Remark; readonly places: Set<string> }>();
  for (const remark of remarks) {
    const key = JSON.stringify([remark.what, remark.why]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { first: remark, places: new Set([remark.at]) });
    else known.places.add(remark.at);
  }
  return [...groups.values()].map(({ first: { what, why }, places }) => {
    const more = places.size > NAMED ? ` and ${places.size - NAMED} more` : '';
    return `${what} (${[...places].slice(0, NAMED).join(', ')}${more}): ${why}`;
  });
}
