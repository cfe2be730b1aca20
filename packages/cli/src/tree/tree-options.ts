import { UsageError } from '@clusterf/daemon';
import { type EditableTree, type EtcdFlagValues, etcdFlags, etcdOptions, openTree } from '@clusterf/store';

/** The options of every command that works on one tree. */
export const treeOptions = {
  'config-source': {
    type: 'list',
    group: 'Configuration',
    describe: 'where the tree is: etcd://HOST:PORT,…/PREFIX, etcd+https://…, file:///DIRECTORY; one only',
    defaultText: 'etcd:',
  },
  ...etcdFlags,
} as const;

export interface TreeOptionValues extends EtcdFlagValues {
  readonly configSource: readonly string[];
}

/**
 * The one tree that a command works on. Whatever is asked of it ends when the signal aborts.
 *
 * @throws {UsageError} if several are named
 * @throws {ConfigurationError} of the store
 */
export function openOneTree(options: TreeOptionValues, signal: AbortSignal): EditableTree {
  const [url = 'etcd:', ...others] = options.configSource;
  if (others.length > 0)
    throw new UsageError(
      `--config-source: ${options.configSource.join(' ')} are ${options.configSource.length} trees; expected one. ` +
        'clusterf-config shows several as one.',
    );
  const tree = openTree(url, etcdOptions(options));
  signal.addEventListener('abort', () => tree[Symbol.dispose]());
  return tree;
}
