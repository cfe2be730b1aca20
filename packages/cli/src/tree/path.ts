import { UsageError } from '@clusterf/daemon';
import { checkName, quote } from '@clusterf/model';
import { parseSourceUrl } from '@clusterf/store';

/**
 * A path as people write it: with a slash around it, or as etcd has the key, with the tree's prefix.
 *
 * @param url of the tree, canonical
 * @returns relative to the tree's root; empty = the root
 * @throws {UsageError} if it cannot be a path
 */
export function parsePath(text: string, url: string): string {
  const path = relativePath(text, url);
  refuseBadNames(path);
  return path;
}

/** The same of something that may be there already, and has the name it has: {@link refuseBadNames} if nothing is. */
export function relativePath(text: string, url: string): string {
  const location = parseSourceUrl(url);
  const prefix = location.type === 'etcd' && location.prefix !== '' ? `${location.prefix}/` : undefined;
  const relative = prefix !== undefined && `${text}/`.startsWith(prefix) ? text.slice(prefix.length) : text;
  return relative.replace(/^\//, '').replace(/\/$/, '');
}

/** @throws {UsageError} if it cannot be a path */
export function refuseBadNames(path: string): void {
  if (path === '') return;
  for (const name of path.split('/')) {
    const checked = checkName(name);
    if (!checked.ok) throw new UsageError(`path ${quote(path)}: ${checked.message}`);
  }
}

/** The path with what is below it. */
export function isAtOrBelow(path: string, root: string): boolean {
  return root === '' || path === root || path.startsWith(`${root}/`);
}
