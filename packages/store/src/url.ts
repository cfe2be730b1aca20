import { parseAddress } from '@clusterf/model';
import { ConfigurationError } from './configuration-error.js';

/** How to find etcd and be let in: the `--etcd-…` options, shared by all `etcd:` URLs of a command line. */
export interface EtcdOptions {
  /** `--etcd-scheme`, for `etcd://` URLs; default http. */
  readonly scheme?: 'http' | 'https' | undefined;
  /** `--etcd-host`, repeatable, `HOST[:PORT]`: where an `etcd:///prefix` URL names none; default 127.0.0.1:2379. */
  readonly hosts?: readonly string[] | undefined;
  /** `--etcd-prefix`, where the URL has no path; default /clusterf. */
  readonly prefix?: string | undefined;
  /** `--etcd-ca`, `--etcd-cert`, `--etcd-key`: PEM files. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** `--etcd-user`, `--etcd-password-file`. */
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
}

export interface EtcdLocation {
  readonly type: 'etcd';
  /** Canonical: `etcd+http://h1:2379,h2:2379/clusterf`. */
  readonly url: string;
  readonly scheme: 'http' | 'https';
  /** `host:port`, IPv6 in brackets. At least one. */
  readonly hosts: readonly string[];
  /** Begins with `/` and does not end with it; empty = the root of etcd. */
  readonly prefix: string;
}

export interface FileLocation {
  readonly type: 'file';
  readonly url: string;
  /** As written: absolute, or relative to the working directory. */
  readonly path: string;
}

export interface MemoryLocation {
  readonly type: 'memory';
  readonly url: string;
}

export type SourceLocation = EtcdLocation | FileLocation | MemoryLocation;

const DEFAULT_HOST = '127.0.0.1:2379';
const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX = '/clusterf';
const SHAPES = 'etcd://HOST[:PORT],…/PREFIX, etcd+http://…, etcd+https://… or file:///DIRECTORY';

/**
 * Reads a `--config-source` URL.
 *
 * @throws {ConfigurationError} if it is not one, or an option is not usable
 */
export function parseSourceUrl(text: string, options: EtcdOptions = {}): SourceLocation {
  // Not by URL: several hosts are none to it, and it would percent-encode names that are taken as they are.
  const match = /^([a-z+]+):(?:\/\/([^/]*)(.*))?$/.exec(text);
  if (match === null) {
    throw new ConfigurationError(`configuration source ${JSON.stringify(text)} is not a URL; expected ${SHAPES}`);
  }
  const [, scheme = '', authority = '', path = ''] = match;
  switch (scheme) {
    case 'etcd':
      return etcdLocation(text, options.scheme ?? 'http', authority, path, options);
    case 'etcd+http':
      return etcdLocation(text, 'http', authority, path, options);
    case 'etcd+https':
      return etcdLocation(text, 'https', authority, path, options);
    case 'file':
      return fileLocation(text, authority + path);
    case 'memory':
      return { type: 'memory', url: text };
    default:
      throw new ConfigurationError(
        `configuration source ${JSON.stringify(text)}: the scheme is ${scheme}; expected ${SHAPES}`,
      );
  }
}

/** The URL's hosts and path, and the options only where it has none. */
function etcdLocation(
  text: string,
  scheme: 'http' | 'https',
  authority: string,
  path: string,
  options: EtcdOptions,
): EtcdLocation {
  refuseSecret(text, authority);
  refuseUnusable(text, scheme, options);
  if (path.includes('?')) {
    throw new ConfigurationError(
      `configuration source ${JSON.stringify(text)} has a query; expected a prefix at its end`,
    );
  }
  const { hosts: otherHosts = [], prefix: otherPrefix = DEFAULT_PREFIX } = options;
  const written = authority === '' ? otherHosts : authority.split(',');
  const hosts = (written.length === 0 ? [DEFAULT_HOST] : written).map((host) => canonicalHost(text, host));
  const prefix = canonicalPrefix(path === '' ? otherPrefix : path);
  return { type: 'etcd', url: `etcd+${scheme}://${hosts.join(',')}${prefix || '/'}`, scheme, hosts, prefix };
}

/** Command lines and environments are for others to see, and messages end up in logs. */
function refuseSecret(text: string, authority: string): void {
  if (!authority.includes('@')) return;
  const shown = text.replace(authority, authority.replace(/^.*@/, '…@'));
  throw new ConfigurationError(
    `configuration source ${JSON.stringify(shown)} names a user; expected --etcd-user and --etcd-password-file`,
  );
}

/** What would be left out without a word is more likely meant to count. */
function refuseUnusable(text: string, scheme: 'http' | 'https', options: EtcdOptions): void {
  const { ca, cert, key, user, passwordFile } = options;
  const [unused] = Object.entries({ '--etcd-ca': ca, '--etcd-cert': cert, '--etcd-key': key }).filter(
    ([, file]) => file !== undefined,
  );
  if (scheme === 'http' && unused !== undefined) {
    throw new ConfigurationError(
      `configuration source ${JSON.stringify(text)} is asked in plain HTTP, where ${unused[0]} ${unused[1]} would not be ` +
        'used; expected etcd+https://… or --etcd-scheme https',
    );
  }
  refuseHalf('--etcd-cert', cert, '--etcd-key', key);
  refuseHalf('--etcd-user', user, '--etcd-password-file', passwordFile);
}

function refuseHalf(one: string, first: string | undefined, other: string, second: string | undefined): void {
  if ((first === undefined) === (second === undefined)) return;
  const [given, missing] = first === undefined ? [`${other} ${second}`, one] : [`${one} ${first}`, other];
  throw new ConfigurationError(`${given} is given without ${missing}; expected both or neither`);
}

function canonicalHost(text: string, host: string): string {
  // --etcd-host may have been given the way etcdctl's --endpoints are.
  const bare = host.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const [, name = '', port = String(DEFAULT_PORT)] = /^(\[[^\]]*\]|[^:[\]@]+)(?::([0-9]+))?$/.exec(bare) ?? [];
  const address = name.startsWith('[') ? parseAddress(name.slice(1, -1), 'ipv6') : undefined;
  if (name === '' || /\s/.test(name) || address?.ok === false || Number(port) < 1 || Number(port) > 65_535) {
    throw new ConfigurationError(
      `configuration source ${JSON.stringify(text)}: the etcd host is ${JSON.stringify(host)}; ` +
        'expected HOST or HOST:PORT, an IPv6 address in brackets',
    );
  }
  return `${address?.ok === true ? `[${address.value.text}]` : name}:${Number(port)}`;
}

/** Begins with a slash and does not end with one. */
function canonicalPrefix(path: string): string {
  return `/${path}`.replaceAll(/\/{2,}/g, '/').replace(/\/$/, '');
}

/** The Go program took `file://conf/x` as a path relative to the working directory; so do we. */
function fileLocation(text: string, written: string): FileLocation {
  const path = written.length > 1 ? written.replace(/\/+$/, '') : written;
  if (path === '') {
    throw new ConfigurationError(
      `configuration source ${JSON.stringify(text)} names no directory; expected file:///DIRECTORY`,
    );
  }
  return { type: 'file', url: `file://${path}`, path };
}
