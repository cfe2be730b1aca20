import { ConfigTree } from '@clusterf/model';
import type { EditableTree } from '@clusterf/store';
import { readBalancerEntry } from './entries.js';
import { type Overview, overview, type TreeReading } from './overview.js';

/** Milliseconds: a balancer reads a change at once, and says so within two seconds. */
const PATIENCE = 5_000;

/**
 * Looks at a tree and its agents. A balancer that seems behind may only not have said yet that it is not: then the tree is
 * followed until all have, or for five seconds.
 *
 * @throws what the tree throws when it cannot be read
 */
export async function look(tree: EditableTree, signal: AbortSignal): Promise<Overview> {
  const first = overview(await readTree(tree));
  if (first.balancers.every(({ current }) => current !== false)) return first;
  const digests = await followUntilCurrent(tree, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
  return overview(await readTree(tree), digests);
}

async function readTree(tree: EditableTree): Promise<TreeReading> {
  const entries = await tree.read();
  const leases = new Set(
    [...entries].flatMap(([path, { lease }]) => (isStatus(path) && lease !== undefined ? [lease] : [])),
  );
  return { url: tree.url, entries, leases: await tree.leaseTimes(leases) };
}

function isStatus(path: string): boolean {
  return /^(hosts|balancers)\/[^/]+\/status$/.test(path);
}

/** @returns all digests that the configuration has had meanwhile */
async function followUntilCurrent(tree: EditableTree, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const config = new ConfigTree([tree.url]);
  const digests = new Set<string>();
  const read = new Map<string, string>();
  for await (const event of tree.events(signal)) {
    if (event.type === 'unavailable') continue;
    config.apply(0, event);
    digests.add(config.digest(0));
    const changes = event.type === 'snapshot' ? event.entries : event.changes;
    for (const [path, text] of changes) {
      if (!path.startsWith('balancers/') || !isStatus(path)) continue;
      const digest = text === undefined ? undefined : readBalancerEntry(text).tree;
      if (digest === undefined) read.delete(path);
      else read.set(path, digest);
    }
    if ([...read.values()].every((digest) => digests.has(digest))) break;
  }
  return digests;
}
