import { Planner } from '@clusterf/ipvs-agent';
import { ConfigTree, type Problem } from '@clusterf/model';
import type { Finding } from './findings.js';

/** Of a route that is there to leave backends out: as meant. */
const MEANT = /^route \S+ has no IPVSMethod: backends left out/;

/** What is said of things that are not there for clients, where the rest is of things that are, but otherwise. */
const MISSING = /\bnot published\b|\bpublishes nothing\b/;

/**
 * What a balancer finds wrong with entries that are well one by one: two services that claim one address, ports that
 * the forwarding method cannot change. It is asked as one with the default options would be.
 *
 * @param entries values by path
 */
export function checkTogether(entries: ReadonlyMap<string, string>): readonly Finding[] {
  return findingsOf(new Balancer(entries).problems);
}

/**
 * The same of a change: what it finds wrong then and does not now.
 *
 * @param entries as they are
 * @param changes values by path; undefined = to be removed
 */
export function checkChange(
  entries: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | undefined>,
): readonly Finding[] {
  if (changes.size === 0) return [];
  const balancer = new Balancer(entries);
  const known = new Set(balancer.problems.map(words));
  balancer.change(changes);
  return findingsOf(balancer.problems.filter((problem) => !known.has(words(problem))));
}

/** What an ipvs-agent makes of a tree. */
class Balancer {
  readonly #tree = new ConfigTree(['tree']);
  readonly #planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });

  constructor(entries: ReadonlyMap<string, string>) {
    this.#planner.update(this.#tree.config, this.#tree.apply(0, { type: 'snapshot', entries }));
  }

  change(changes: ReadonlyMap<string, string | undefined>): void {
    this.#planner.update(this.#tree.config, this.#tree.apply(0, { type: 'changes', changes }));
  }

  get problems(): readonly Problem[] {
    return this.#planner.problems;
  }
}

function findingsOf(problems: readonly Problem[]): readonly Finding[] {
  return problems
    .filter(({ message }) => !MEANT.test(message))
    .map(({ key, message }) => ({ level: MISSING.test(message) ? 'error' : 'warning', path: key, message }));
}

function words({ key, message }: Problem): string {
  return `${key}\n${message}`;
}
