/** The tree, and what balancers make of it; and the etcd that it is in. */
import { toError } from '@clusterf/daemon';
import { type Desired, Planner, type PlanOptions } from '@clusterf/ipvs-agent';
import { balancerStatusKey, ConfigTree, hostStatusKey, parseKey, type Problem } from '@clusterf/model';
import { type EtcdExamination, type EtcdOptions, examineEtcd, openTree, parseSourceUrl } from '@clusterf/store';
import * as z from 'zod';
import { ANY_BACKEND } from '../checks/etcd.js';
import type { Tree } from '../facts.js';

export interface TreeSettings {
  readonly sources: readonly string[];
  /** What the tree in the memory of `clusterf up` holds, if it says. */
  readonly memory: ReadonlyMap<string, string> | undefined;
  /** Canonical URLs of which nobody answers: they are not asked again. */
  readonly away: ReadonlySet<string>;
  readonly etcd: EtcdOptions;
  readonly plan: PlanOptions;
  readonly filterRoutes: string | undefined;
  /** This machine's, to tell other balancers by. */
  readonly machine: string;
}

/** Each etcd once, asked for what both agents need of it. */
export async function gatherEtcd(
  needs: readonly { readonly url: string; readonly etcd: EtcdOptions; readonly writes: readonly string[] }[],
): Promise<readonly EtcdExamination[]> {
  const all = new Map<string, { etcd: EtcdOptions; writes: string[] }>();
  for (const { url, etcd, writes } of needs) {
    const location = parseSourceUrl(url, etcd);
    const known = all.get(location.url);
    if (known === undefined) all.set(location.url, { etcd, writes: [...writes] });
    else known.writes.push(...writes);
  }
  return await Promise.all(
    [...all].flatMap(([url, { etcd, writes }]) => {
      const location = parseSourceUrl(url, etcd);
      return location.type === 'etcd' ? [examineEtcd(location, etcd, { writes: [...new Set(writes)] })] : [];
    }),
  );
}

/** Where a balancer writes. */
export function balancerWrites(balancer: string): readonly string[] {
  return [balancerStatusKey(balancer)];
}

/** Where a docker-agent writes: its own status, and backends of whatever service containers ask for. */
export function hostWrites(host: string): readonly string[] {
  return [hostStatusKey(host), ANY_BACKEND];
}

/** @returns undefined if no source can be read */
export async function gatherTree(settings: TreeSettings): Promise<Tree | undefined> {
  const { sources, memory, away, etcd, plan, filterRoutes, machine } = settings;
  const own = new ConfigTree(sources, { filterRoutes });
  const edge = new ConfigTree(sources);
  const unreadable: Problem[] = [];
  const otherBalancers = new Set<string>();
  for (const [index, url] of sources.entries()) {
    const location = parseSourceUrl(url, etcd);
    if (away.has(location.url)) {
      unreadable.push({ source: url, key: url, message: 'nobody answers' });
      continue;
    }
    try {
      const entries = location.type === 'memory' && memory !== undefined ? memory : await read(url, etcd);
      for (const each of [own, edge]) each.apply(index, { type: 'snapshot', entries });
      for (const name of balancersElsewhere(entries, machine)) otherBalancers.add(name);
    } catch (thrown) {
      unreadable.push({ source: url, key: url, message: toError(thrown).message });
    }
  }
  if (unreadable.length === sources.length) return undefined;
  const [mine, theirs] = [planned(own, plan), planned(edge, { ...plan, onlyHost: undefined })];
  return {
    config: own.config,
    own: mine.desired,
    edge: theirs.desired,
    problems: [...unreadable, ...own.problems, ...mine.problems],
    otherBalancers: [...otherBalancers],
  };
}

async function read(url: string, etcd: EtcdOptions): Promise<ReadonlyMap<string, string>> {
  using tree = openTree(url, etcd);
  return new Map([...(await tree.read())].map(([path, { value }]) => [path, value]));
}

function planned(
  tree: ConfigTree,
  plan: PlanOptions,
): { readonly desired: Desired; readonly problems: readonly Problem[] } {
  const planner = new Planner(plan);
  planner.update(tree.config, { services: new Set(tree.config.services.keys()), routes: true });
  return planner;
}

const Status = z.object({ machine: z.string() });

function balancersElsewhere(entries: ReadonlyMap<string, string>, machine: string): readonly string[] {
  return [...entries].flatMap(([path, text]) => {
    const key = parseKey(path);
    if (key.kind !== 'balancerStatus') return [];
    return machineIn(text) === machine ? [] : [key.balancer];
  });
}

function machineIn(text: string): string | undefined {
  try {
    return Status.safeParse(JSON.parse(text)).data?.machine;
  } catch {
    return undefined;
  }
}
