import { stat } from 'node:fs/promises';
import { type EtcdOptions, parseSourceUrl } from './url.js';

/**
 * What is not safe about how etcd is asked, though it works: for a warning when an agent starts.
 *
 * @param urls of sources, of whatever kind
 * @throws {ConfigurationError} if a URL or an option is not usable
 */
export async function etcdConcerns(urls: readonly string[], options: EtcdOptions): Promise<readonly string[]> {
  const { user, passwordFile, key } = options;
  const locations = urls.map((url) => parseSourceUrl(url, options)).filter((location) => location.type === 'etcd');
  if (locations.length === 0) return [];
  const overheard = locations
    .filter(({ scheme }) => scheme === 'http' && user !== undefined)
    .flatMap(({ hosts }) => hosts.filter((host) => !isLoopback(host)));
  const open = [await openToAll('--etcd-password-file', passwordFile), await openToAll('--etcd-key', key)].filter(
    (concern) => concern !== undefined,
  );
  return overheard.length === 0
    ? open
    : [
        `the password of --etcd-user ${user} crosses the network unencrypted, to ${overheard.join(', ')}; ` +
          'use etcd+https:// or --etcd-scheme https',
        ...open,
      ];
}

function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d+){3}|localhost|\[::1\]):\d+$/.test(host);
}

/** A file that cannot be looked at is told of when it is needed. */
async function openToAll(option: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const mode = await stat(path).then(
    (found) => found.mode & 0o777,
    () => 0,
  );
  if ((mode & 0o004) === 0) return undefined;
  return `${option} ${path} may be read by everybody on this machine (mode ${mode.toString(8)}); chmod 600 it`;
}
