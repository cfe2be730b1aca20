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
