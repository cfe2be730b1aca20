import { ConfigurationError } from './configuration-error.js';
import { editableDirectory } from './editable-directory.js';
import { editableEtcd } from './editable-etcd.js';
import type { EditableTree } from './editable-tree.js';
import { type EtcdOptions, parseSourceUrl } from './url.js';

/**
 * The tree a `--config-source` URL names, to be read and changed by an operator. Nothing is opened before it is asked
 * for something.
 *
 * @param timeout milliseconds until a request to a member of etcd counts as failed; default 5000
 * @throws {ConfigurationError} if the URL or an option is not usable
 */
export function openTree(url: string, options: EtcdOptions = {}, timeout = 5000): EditableTree {
  const location = parseSourceUrl(url, options);
  if (location.type === 'memory') {
    throw new ConfigurationError(`configuration source ${JSON.stringify(url)} exists only inside one process`);
  }
  return location.type === 'etcd' ? editableEtcd(location, options, timeout) : editableDirectory(location);
}
