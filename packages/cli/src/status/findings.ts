/** What is wrong, in words that say what to do. Pure. */
import { formatDuration } from '@clusterf/daemon';
import type { BalancerView, HostView, Overview, ServiceView } from './overview.js';

/** Of a list, so that a line stays one. */
const MOST_NAMED = 5;

export interface Finding {
  /** `service web`, `host docker1`, `balancer lb1`, or a key of the tree. */
  readonly about: string;
  readonly message: string;
}

/** @returns nothing if all is well */
export function findings(view: Overview): readonly Finding[] {
  return [
    ...ofTree(view),
    ...view.balancers.flatMap((balancer) => ofBalancer(balancer, view.problems.length)),
    ...ofAllBalancers(view),
    ...view.hosts.flatMap(ofHost),
    ...view.services.flatMap(ofService),
    ...view.problems.map(({ key, message }) => ({ about: key || view.url, message })),
    ...ofVersions(view),
  ];
}

function ofTree({ url, isEmpty }: Overview): readonly Finding[] {
  return isEmpty ? [{ about: url, message: 'there is nothing here: is this the prefix?' }] : [];
}

/** @param told problems of the tree, which a balancer reports too */
function ofBalancer(balancer: BalancerView, told: number): readonly Finding[] {
  const { name, life } = balancer;
  const found = finder(`balancer ${name}`);
  const seconds = secondsLeft(balancer.leaseLeft);
  switch (life) {
    case 'gone':
      return [found('drained, but it is not there: undrain it, or start its agent')];
    case 'ended':
      return [
        found(`its agent has ended (${balancer.stopped}); its kernel forwards on as it was, and follows no change`),
      ];
    case 'late':
      return [
        found(
          `its agent has not renewed its lease and shows for ${seconds} more: look whether it, or its way to etcd, is down; its kernel forwards on as it was`,
        ),
      ];
    case 'unleased':
    case 'up':
      break;
  }
  const { ready, current, retrying = 0, refused, held = 0, brake, problems = 0, quarantined = 0 } = balancer;
  const there = 'there, its log and curl http://127.0.0.1:9780/status say';
  const [log, why] = [`${there} which`, `${there} why`];
  return [
    ...(ready === false ? [found('it has not done its first pass yet')] : []),
    ...(current === false ? [found('it has not read the tree as it is now: look at its log')] : []),
    ...(brake === true
      ? [found(`its brake holds ${some(held, 'destination')} that the tree has lost; docs/balancer.md`)]
      : []),
    ...(brake !== true && held > 0 ? [found(`it holds back the removal of ${some(held, 'destination')}; ${log}`)] : []),
    ...(retrying > 0
      ? [found(`its kernel refuses something of ${listed(refused, retrying, 'virtual service')}; ${why}`)]
      : []),
    ...(quarantined > 0
      ? [found(`it goes by the last good value of ${some(quarantined, 'entry', 'entries')} that cannot be read`)]
      : []),
    ...(problems > told ? [found(`it reports ${some(problems - told, 'problem')} of its own; ${log}`)] : []),
  ];
}

/** Somebody is to have the virtual addresses, and those that take the same backends are to want the same table. */
function ofAllBalancers({ balancers, services, url }: Overview): readonly Finding[] {
  const living = balancers.filter(({ life }) => life === 'up');
  const published = services.some(({ hasFrontend }) => hasFrontend);
  return [...(published ? withoutAddresses(balancers) : []), ...ofLiving(living, published, url)];
}

/** A drain takes away the virtual addresses of those that have them themselves. */
function withoutAddresses(balancers: readonly BalancerView[]): readonly Finding[] {
  const edge = balancers.filter(({ life, onlyHost }) => life !== 'gone' && onlyHost === undefined);
  if (edge.length === 0 || !edge.every(hasNoAddresses)) return [];
  const names = edge.map(({ name }) => name);
  const message = `all are drained (${names.join(', ')}): no virtual address can be reached; clusterf undrain balancer ${names[0]}`;
  return [{ about: 'balancers', message }];
}

function hasNoAddresses({ drained, vipInterface }: BalancerView): boolean {
  return drained !== undefined && vipInterface !== undefined;
}

/** @param living balancers */
function ofLiving(living: readonly BalancerView[], published: boolean, url: string): readonly Finding[] {
  if (living.length === 0 && published && url.startsWith('etcd'))
    return [
      {
        about: 'balancers',
        message: 'none is there: what is published here nobody forwards, or balancers follow another tree',
      },
    ];
  const comparable = living.filter(
    ({ current, table, onlyHost }) => current === true && table !== undefined && onlyHost === undefined,
  );
  const tables = groupedBy(comparable, ({ table }) => table);
  if (tables.size < 2) return [];
  const groups = [...tables.values()].map((group) => group.map(({ name }) => name).join(', '));
  return [
    {
      about: 'balancers',
      message: `they have read the same tree and want different tables (${groups.join(' / ')}): compare their options (--ipvs-fwd-method, --ipvs-sched-name, --elide, --config-source)`,
    },
  ];
}

function ofHost(host: HostView): readonly Finding[] {
  const { name, life, backends, problems = 0 } = host;
  const found = finder(`host ${name}`);
  const its = some(backends, 'backend');
  const seconds = secondsLeft(host.leaseLeft);
  switch (life) {
    case 'gone':
      return backends > 0
        ? [
            found(
              `no docker-agent has this name, and ${its} of it ${backends === 1 ? 'is' : 'are'} in the tree: nobody keeps them up to date`,
            ),
          ]
        : [found('drained, but it is not there: undrain it, or start its agent')];
    case 'ended':
      return [
        found(
          `its docker-agent has ended (${host.stopped}); ${its} of it will be gone in ${seconds} unless it is started again`,
        ),
      ];
    case 'late':
      return [
        found(
          `its docker-agent has not renewed its lease: look whether it, or its way to etcd, is down; ${its} of it will be gone in ${seconds}`,
        ),
      ];
    case 'unleased':
    case 'up':
      return problems > 0
        ? [
            found(
              `its docker-agent reports ${some(problems, 'problem')}; there, its log and curl http://127.0.0.1:9781/status say which`,
            ),
          ]
        : [];
  }
}

function ofService(service: ServiceView): readonly Finding[] {
  const { name, hasFrontend, virtualServices, unserved, backends, taking } = service;
  const found = finder(`service ${name}`);
  if (!hasFrontend && backends > 0)
    return [found(`it has ${some(backends, 'backend')} and no frontend: it is not published`)];
  if (!hasFrontend) return [];
  if (backends === 0) return [found('it has no backends: connections to it are refused')];
  // Why it is not published is said of its frontend.
  if (virtualServices.length === 0 || unserved.length === 0) return [];
  const none =
    backends === 1
      ? 'its only backend takes no new connections'
      : `none of its ${backends} backends takes new connections`;
  if (taking > 0) return [found(`${none} at ${listed(unserved, unserved.length, 'virtual service')}`)];
  return [found(`${none}: ${whyNone(service)}`)];
}

function whyNone({ backends, drained, unusable }: ServiceView): string {
  const left = backends - drained - unusable;
  const isOne = backends === 1;
  if (drained === backends) return isOne ? 'it is drained' : 'all are drained';
  if (unusable === backends)
    return `no balancer can use ${isOne ? 'it' : 'them'} (clusterf explain SERVICE/BACKEND says why)`;
  if (left === backends) return 'weight 0';
  return [
    ...(drained > 0 ? [`${drained} drained`] : []),
    ...(unusable > 0 ? [`${unusable} that no balancer can use`] : []),
    ...(left > 0 ? [`${left} of weight 0`] : []),
  ].join(', ');
}

/** All that is installed together has one version. */
function ofVersions({ hosts, balancers }: Overview): readonly Finding[] {
  const agents = [
    ...balancers.map(({ name, version }) => ({ name: `balancer ${name}`, version })),
    ...hosts.map(({ name, version }) => ({ name: `host ${name}`, version })),
  ].filter(({ version }) => version !== undefined);
  const versions = groupedBy(agents, ({ version }) => version);
  if (versions.size < 2) return [];
  const groups = [...versions].map(([version, group]) => `${version}: ${group.map(({ name }) => name).join(', ')}`);
  return [{ about: 'versions', message: `they differ (${groups.join('; ')}): upgrade those that are behind` }];
}

function groupedBy<T, K>(all: readonly T[], keyOf: (one: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

function finder(about: string): (message: string) => Finding {
  return (message) => ({ about, message });
}

/** `1 backend`, `2 backends` */
export function some(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Names as far as they are known and not too many, else how many there are. */
function listed(names: readonly string[], count: number, one: string): string {
  const shown = names.slice(0, MOST_NAMED);
  if (shown.length === 0) return some(count, one);
  return `${shown.join(', ')}${count > shown.length ? ` and ${count - shown.length} more` : ''}`;
}

function secondsLeft(seconds: number | undefined): string {
  return seconds === undefined ? 'a while' : formatDuration(Math.max(0, seconds) * 1000);
}
