import { balancerStatusKey, ConfigTree, parseKey } from '@clusterf/model';
import type { EditableTree } from '@clusterf/store';
import { readBalancerEntry } from './entries.js';
import { type Overview, overview, type TreeReading } from './overview.js';

/** Milliseconds: a balancer reads a change at once, and says so within two seconds. */
const PATIENCE = 5_000;

/**
 * Looks at a tree and its agents. A balancer that seems behind may only not have said yet that it is not: then the tree is
 * followed until it has, or for five seconds.
 *
 * @throws what the tree throws when it cannot be read
 */
export async function look(tree: EditableTree, signal: AbortSignal): Promise<Overview> {
  const first = overview(await readTree(tree));
  const behind = first.balancers.filter(({ life, current }) => life === 'up' && current === false);
  if (behind.length === 0) return first;
  const keys = new Set(behind.map(({ name }) => balancerStatusKey(name)));
  const digests = await followUntilRead(tree, keys, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
  return overview(await readTree(tree), digests);
}

async function readTree(tree: EditableTree): Promise<TreeReading> {
  const entries = await tree.read();
  const leases = [...entries].flatMap(([path, { lease }]) => (isStatus(path) && lease !== undefined ? [lease] : []));
  return { url: tree.url, entries, leases: await tree.leaseTimes(leases) };
}

function isStatus(path: string): boolean {
  const { kind } = parseKey(path);
  return kind === 'hostStatus' || kind === 'balancerStatus';
}

/**
 * @param keys of the statuses that are to name a digest which the configuration has had since
 * @returns all digests that it has had
 */
async function followUntilRead(
  tree: EditableTree,
  keys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const config = new ConfigTree([tree.url]);
  const digests = new Set<string>();
  const awaited = new Map([...keys].map((key): [string, string | undefined] => [key, undefined]));
  for await (const event of tree.events(signal)) {
    if (event.type === 'unavailable') continue;
    config.apply(0, event);
    digests.add(config.digest(0));
    const changes = event.type === 'snapshot' ? event.entries : event.changes;
    for (const [path, text] of changes)
      if (awaited.has(path)) awaited.set(path, text === undefined ? undefined : readBalancerEntry(text).tree);
    if ([...awaited.values()].every((digest) => digest === undefined || digests.has(digest))) break;
  }
  return digests;
}
