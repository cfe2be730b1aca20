const URL_PARTS = /^([a-z+]+):\/\/([^/]*)(\/.*)?$/;

const DEFAULT_ETCD_PORT = 2379;

/**
 * Whether a source's canonical URL begins with what an operator gave as `--filter-routes`. Canonical URLs say
 * more than people write, so `etcd://` stands for both `etcd+http://` and `etcd+https://`, a host without a port
 * has the default one, `etcd:///path` means any host, and a trailing slash does no harm.
 */
export function urlHasPrefix(url: string, prefix: string): boolean {
  if (url.startsWith(prefix)) {
    return true;
  }
  const [, scheme = '', authority = '', path] = URL_PARTS.exec(url) ?? [];
  const [matched, wantedScheme = '', wantedAuthority = '', wantedPath] = URL_PARTS.exec(prefix) ?? [];
  if (matched === undefined || !(scheme === wantedScheme || (wantedScheme === 'etcd' && scheme.startsWith('etcd+')))) {
    return false;
  }
  if (wantedPath === undefined) {
    return authority.startsWith(wantedAuthority);
  }
  const isEtcd = scheme.startsWith('etcd');
  const sameHosts = isEtcd
    ? wantedAuthority === '' || withPorts(wantedAuthority) === withPorts(authority)
    : wantedAuthority === authority;
  return sameHosts && `${path ?? ''}/`.startsWith(wantedPath);
}

function withPorts(authority: string): string {
  return authority
    .split(',')
    .map((host) => (/:[0-9]+$/.test(host) ? host : `${host}:${DEFAULT_ETCD_PORT}`))
    .join(',');
}
