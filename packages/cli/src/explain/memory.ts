import { FailureError, formatHttpListen, parseHttpListen } from '@clusterf/daemon';
import { etcdOptions, openTree, type Reading } from '@clusterf/store';
import type { RunningUp } from '../up/running.js';

/**
 * What a `clusterf up` without etcd goes by: the labels of this machine's containers, and over them the other sources that
 * it was given.
 *
 * @throws FailureError if it does not say, and as `read` does of a source that cannot be read
 */
export async function upEntries({ pid, memory, options, place }: RunningUp): Promise<Reading> {
  if (memory === undefined) {
    const { httpListen } = options;
    const listen = parseHttpListen(httpListen);
    const at = listen === undefined || listen === 'none' ? 'it was told not to listen' : formatHttpListen(listen);
    throw new FailureError(
      `it is in the memory of clusterf up, process ${pid}, which does not say what is in it (${at})`,
    );
  }
  const entries = new Map([...memory].map(([path, value]) => [path, { value }]));
  for (const url of place.sources) {
    using tree = openTree(url, etcdOptions(options));
    for (const [path, entry] of await tree.read()) entries.set(path, entry);
  }
  return entries;
}
