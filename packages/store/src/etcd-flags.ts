import type { EtcdOptions } from './url.js';

/** The `--etcd-…` options as both agents state them: plain data, in the shape that @clusterf/daemon takes. */
export const etcdFlags = {
  'etcd-scheme': {
    type: 'choice',
    choices: ['http', 'https'],
    default: 'http',
    group: 'etcd',
    describe: 'scheme of etcd:// URLs',
  },
  'etcd-host': {
    type: 'list',
    group: 'etcd',
    describe: 'HOST[:PORT] of etcd:///PREFIX URLs; repeatable',
    defaultText: '127.0.0.1:2379',
  },
  'etcd-prefix': {
    type: 'string',
    default: '/clusterf',
    group: 'etcd',
    describe: 'where the tree is, for URLs without a path',
  },
  'etcd-ca': { type: 'string', group: 'etcd', describe: 'PEM file of the authorities that sign the servers' },
  'etcd-cert': { type: 'string', group: 'etcd', describe: 'PEM file of the client certificate' },
  'etcd-key': { type: 'string', group: 'etcd', describe: 'PEM file of its key' },
  'etcd-user': { type: 'string', group: 'etcd', describe: 'user name' },
  'etcd-password-file': { type: 'string', group: 'etcd', describe: 'file that holds the password' },
} as const;

/** What `etcdFlags` come to once they are read. */
export interface EtcdFlagValues {
  readonly etcdScheme: 'http' | 'https';
  readonly etcdHost: readonly string[];
  readonly etcdPrefix: string;
  readonly etcdCa: string | undefined;
  readonly etcdCert: string | undefined;
  readonly etcdKey: string | undefined;
  readonly etcdUser: string | undefined;
  readonly etcdPasswordFile: string | undefined;
}

export function etcdOptions(values: EtcdFlagValues): EtcdOptions {
  return {
    scheme: values.etcdScheme,
    hosts: values.etcdHost,
    prefix: values.etcdPrefix,
    ca: values.etcdCa,
    cert: values.etcdCert,
    key: values.etcdKey,
    user: values.etcdUser,
    passwordFile: values.etcdPasswordFile,
  };
}
