import { ConfigTree } from '@clusterf/model';
import { Planner } from '@clusterf/ipvs-agent';
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
  const tree = new ConfigTree(['tree']);
  tree.apply(0, { type: 'snapshot', entries });
  const { config } = tree;
  const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });
  planner.update(config, { services: new Set(config.services.keys()), routes: true });
  return planner.problems
    .filter(({ message }) => !MEANT.test(message))
    .map(({ key, message }) => ({ level: MISSING.test(message) ? 'error' : 'warning', path: key, message }));
}
