import type { Candidate } from './candidates.js';

/**
 * How a path of the tree may go on, a part at a time as a shell completes files. What has more below it ends with a
 * slash.
 *
 * @param paths of all entries
 * @param written as far as it is typed
 */
export function pathCandidates(paths: Iterable<string>, written: string): readonly Candidate[] {
  const start = written.replace(/^\//, '');
  const base = start.slice(0, start.lastIndexOf('/') + 1);
  const words = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(start)) continue;
    const next = path.indexOf('/', base.length);
    words.add(next === -1 ? path : path.slice(0, next + 1));
  }
  return [...words].toSorted().map((word) => ({ word }));
}

/** What can be named by `host NAME`, `balancer NAME` and `backend SERVICE/BACKEND`. */
const NAMES = {
  host: /^hosts\/([^/]+)\/status$/,
  balancer: /^balancers\/([^/]+)\/(?:status|sync)$/,
  backend: /^services\/([^/]+)\/backends\/([^/]+)$/,
} as const;

export type Named = keyof typeof NAMES;

export function isNamed(kind: string | undefined): kind is Named {
  return kind !== undefined && Object.hasOwn(NAMES, kind);
}

/** Those of a kind that the tree knows. */
export function nameCandidates(paths: Iterable<string>, kind: Named): readonly Candidate[] {
  const words = [...paths].flatMap((path) => NAMES[kind].exec(path)?.slice(1).join('/') ?? []);
  return [...new Set(words)].toSorted().map((word) => ({ word }));
}
