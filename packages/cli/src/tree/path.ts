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
  const location = parseSourceUrl(url);
  const prefix = location.type === 'etcd' && location.prefix !== '' ? `${location.prefix}/` : undefined;
  const relative = prefix !== undefined && `${text}/`.startsWith(prefix) ? text.slice(prefix.length) : text;
  const path = relative.replace(/^\//, '').replace(/\/$/, '');
  if (path === '') return path;
  for (const name of path.split('/')) {
    const checked = checkName(name);
    if (!checked.ok) throw new UsageError(`path ${quote(text)}: ${checked.message}`);
  }
  return path;
}

/** The path with what is below it. */
export function isAtOrBelow(path: string, root: string): boolean {
  return root === '' || path === root || path.startsWith(`${root}/`);
}
