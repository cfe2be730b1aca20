import { ConfigurationError } from './configuration-error.js';
import { etcdSource } from './etcd.js';
import { fileSource } from './file.js';
import type { Source } from './source.js';
import { type EtcdOptions, parseSourceUrl } from './url.js';

/**
 * The source a `--config-source` URL names. Nothing is opened before its events are asked for.
 *
 * @throws {ConfigurationError} if the URL or an option is not usable
 */
export function openSource(url: string, options: EtcdOptions = {}): Source {
  const location = parseSourceUrl(url, options);
  if (location.type === 'memory') {
    throw new ConfigurationError(`configuration source ${JSON.stringify(url)} exists only inside one process`);
  }
  return location.type === 'etcd' ? etcdSource(location, options) : fileSource(location);
}
