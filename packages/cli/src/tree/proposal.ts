import { parseKey } from '@clusterf/model';
import type { Reading, TreeChanges } from '@clusterf/store';
import { CODECS } from './codecs.js';
import { checkEntry, type Finding } from './findings.js';
import { checkChange } from './whole-tree.js';

/** What is to become of a tree, and what speaks against it. */
export interface Proposal {
  /** Every entry that was asked for. */
  readonly steps: readonly Step[];
  /** What would be wrong that is not wrong now. */
  readonly findings: readonly Finding[];
}

export interface Step {
  readonly path: string;
  readonly what: 'created' | 'changed' | 'unchanged' | 'removed';
  readonly before?: string;
  /** Canonical, where it can be read. */
  readonly after?: string;
}

/**
 * Works out what it means to put and remove entries, without doing it.
 *
 * @param wanted values by path as somebody wrote them; undefined = to be removed
 * @param reading of the whole tree
 */
export function propose(wanted: ReadonlyMap<string, string | undefined>, reading: Reading): Proposal {
  const steps: Step[] = [];
  const findings: Finding[] = [];
  for (const [path, text] of wanted) {
    const found = reading.get(path);
    if (text === undefined) {
      if (found !== undefined) steps.push({ path, what: 'removed', before: found.value });
      continue;
    }
    const checked = checkEntry(path, text, { strict: true });
    const what = found === undefined ? 'created' : isEqual(path, found.value, checked.text) ? 'unchanged' : 'changed';
    steps.push({ path, what, ...(found && { before: found.value }), after: checked.text });
    if (what !== 'unchanged') findings.push(...checked.findings, ...keptByAgent(path, reading));
  }
  return { steps, findings: [...findings, ...newTogether(steps, reading)] };
}

/**
 * What there is to write, in the order in which it does least harm where it is more than a transaction takes: a service
 * is published when its backends are there, and they go when it is no longer.
 */
export function changesOf(steps: readonly Step[]): TreeChanges {
  return new Map(
    steps
      .filter(({ what }) => what !== 'unchanged')
      .map((step) => ({ step, turn: turnOf(step) }))
      .toSorted((a, b) => a.turn - b.turn)
      .map(({ step: { path, after } }) => [path, after]),
  );
}

function turnOf({ path, what }: Step): number {
  const isFrontend = parseKey(path).kind === 'frontend';
  if (what === 'removed') return isFrontend ? 2 : 3;
  return isFrontend ? 1 : 0;
}

/** What agents keep, they put back as it was within seconds. */
function keptByAgent(path: string, reading: Reading): readonly Finding[] {
  if (reading.get(path)?.lease === undefined) return [];
  const message = 'is kept by an agent, which puts it back as it was within seconds; expected an entry without a lease';
  return [{ level: 'error', path, message }];
}

/** What balancers would complain of then and do not now. */
function newTogether(steps: readonly Step[], reading: Reading): readonly Finding[] {
  const entries = new Map([...reading].map(([path, { value }]) => [path, value]));
  const asked = new Set(steps.map(({ path }) => path));
  return checkChange(entries, changesOf(steps)).map((finding) =>
    asked.has(finding.path) ? finding : { ...finding, message: `then: ${finding.message}` },
  );
}

function isEqual(path: string, before: string, after: string): boolean {
  if (before === after) return true;
  const canonical = CODECS[parseKey(path).kind]?.(before);
  return canonical?.ok === true && canonical.text === after;
}
