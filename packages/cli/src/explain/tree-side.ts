/** What the tree and its balancers make of a backend. Pure. */
import { FailureError } from '@clusterf/daemon';
import { type BackendPlan, explainBackend } from '@clusterf/ipvs-agent';
import { backendKey, type Config, ConfigTree, type ForwardingMethod, hostStatusKey } from '@clusterf/model';
import type { LeaseTime, Reading } from '@clusterf/store';

/** A tree as it was read. */
export interface TreeView {
  readonly url: string;
  readonly entries: Reading;
  readonly config: Config;
  /** By lease. */
  readonly leases: ReadonlyMap<string, LeaseTime>;
  /** Of balancers, where neither route nor frontend says. */
  readonly method: ForwardingMethod;
  /** It is in the memory of `clusterf up`, where there are no leases, and no other host registers. */
  readonly ofUp?: boolean;
}

/** One backend of one service, as the tree has it. */
export interface TreeSide {
  readonly service: string;
  readonly backend: string;
  readonly key: string;
  /** As it is in the tree, JSON; undefined = it is not. */
  readonly found: string | undefined;
  /** It is in the memory of `clusterf up`: it stays as long as that says so. */
  readonly ofUp: boolean;
  /** Seconds until it goes unless its agent renews the lease; undefined = it is on none. */
  readonly leaseLeft: number | undefined;
  /** The Docker host that it says it is of. */
  readonly host: string | undefined;
  /** Whether that host's agent has its entry in the tree. */
  readonly hostIsThere: boolean;
  readonly hasFrontend: boolean;
  /** Undefined where there is nothing to plan. */
  readonly plan: BackendPlan | undefined;
}

export function treeView(
  url: string,
  entries: Reading,
  leases: ReadonlyMap<string, LeaseTime>,
  method: ForwardingMethod,
): TreeView {
  const tree = new ConfigTree([url]);
  tree.apply(0, { type: 'snapshot', entries: new Map([...entries].map(([path, { value }]) => [path, value])) });
  return { url, entries, leases, method, config: tree.config };
}

/** @param host that it would be of, where the tree does not say */
export function treeSide(view: TreeView, service: string, backend: string, host?: string): TreeSide {
  const { entries, leases, config, method, ofUp = false } = view;
  const key = backendKey(service, backend);
  const entry = entries.get(key);
  const known = config.services.get(service);
  const itsHost = known?.backends.get(backend)?.host ?? host;
  return {
    service,
    backend,
    key,
    found: entry?.value,
    ofUp,
    leaseLeft: entry?.lease === undefined ? undefined : leases.get(entry.lease)?.remaining,
    host: itsHost,
    hostIsThere: ofUp || (itsHost !== undefined && entries.has(hostStatusKey(itsHost))),
    hasFrontend: known?.frontend !== undefined,
    plan: explainBackend(service, backend, config, { method, scheduler: 'wlc', elide: false }),
  };
}

/**
 * The backend that a person means: by its name, the beginning of it, or the name of its container.
 *
 * @throws FailureError if there is none, or more than one
 */
export function findBackend({ config, url }: TreeView, service: string, text: string): string {
  const known = config.services.get(service);
  if (known === undefined)
    throw new FailureError(
      `there is no service ${JSON.stringify(service)} in ${url}; ${list([...config.services.keys()])}`,
    );
  const names = [...known.backends.keys()];
  if (known.backends.has(text)) return text;
  const meant = [...known.backends].flatMap(([name, { container }]) =>
    name.startsWith(text) || container === text ? [name] : [],
  );
  const [found] = meant;
  if (found === undefined)
    throw new FailureError(`service ${service} has no backend ${JSON.stringify(text)} in ${url}; ${list(names)}`);
  if (meant.length > 1)
    throw new FailureError(
      `service ${service} has several backends ${JSON.stringify(text)} may mean: ${meant.join(', ')}`,
    );
  return found;
}

const LISTED = 10;

function list(names: readonly string[]): string {
  if (names.length === 0) return 'there are none at all';
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : '';
  return `there ${names.length === 1 ? 'is' : 'are'} ${names.toSorted().slice(0, LISTED).join(', ')}${more}`;
}
