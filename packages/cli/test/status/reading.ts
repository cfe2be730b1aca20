import { Digest } from '@clusterf/model';
import type { TreeReading } from '../../src/status/overview.js';

/** What is in the tree, and seconds left of a lease of ten, for what is on one. */
export type Entries = Readonly<Record<string, unknown>>;

/** A balancer that says that all is well. */
export const LB = {
  version: '0.1.0',
  machine: 'lb',
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  ready: true,
  virtualServices: 1,
  destinations: 1,
  problems: 0,
  quarantined: 0,
  brake: false,
  held: 0,
  draining: 0,
  retrying: 0,
  foreign: 0,
  table: 'aaaa',
};

/** A docker-agent that does. */
export const HOST = {
  version: '0.1.0',
  machine: 'h',
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  containers: 1,
  registrations: 1,
  problems: 0,
};

/** A service with one backend of host `h1`. */
export const WEB = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr' },
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80, host: 'h1' },
};

/** Statuses are on a lease each, with so many seconds left of ten; balancers have read the tree as it is unless they say. */
export function reading(entries: Entries, left: Readonly<Record<string, number>> = {}): TreeReading {
  const texts = Object.entries(entries).map(([path, value]): [string, string] => [path, JSON.stringify(value)]);
  const digest = new Digest();
  for (const [path, text] of texts) if (!path.endsWith('/status')) digest.add(`${path} ${text}`);
  const withDigest = texts.map(([path, text]): [string, string] => [
    path,
    path.startsWith('balancers/') && path.endsWith('/status')
      ? JSON.stringify({ tree: String(digest), ...JSON.parse(text) })
      : text,
  ]);
  const statuses = withDigest.filter(([path]) => path.endsWith('/status'));
  return {
    url: 'etcd+http://127.0.0.1:2379/clusterf',
    entries: new Map(
      withDigest.map(([path, value]) => [path, path.endsWith('/status') ? { value, lease: path } : { value }]),
    ),
    leases: new Map(statuses.map(([path]) => [path, { granted: 10, remaining: left[path] ?? 8 }])),
  };
}
