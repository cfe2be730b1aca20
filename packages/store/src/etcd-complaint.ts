import { RefusedError } from './editable-tree.js';
import { NoSpaceError } from './leased-keys.js';
import { kindOf, UnavailableError } from './unavailable-error.js';

/**
 * What etcd or the way to it complains of, in words that say what to do. The texts are those of etcd's
 * api/v3rpc/rpctypes/error.go.
 *
 * @param user who asked, undefined = nobody in particular
 */
export function inPlainWords(host: string, user: string | undefined, error: unknown): Error {
  const { message } = error instanceof Error ? error : new Error(String(error));
  const who = user === undefined ? 'nobody in particular (no --etcd-user)' : `user ${JSON.stringify(user)}`;
  if (message.includes('database space exceeded')) {
    return new NoSpaceError(
      `etcd ${host} has used up its space and takes removals only, until somebody makes room: ` +
        'etcdctl compact REVISION, etcdctl defrag, etcdctl alarm disarm',
      { cause: error },
    );
  }
  if (message.includes('request is too large') || message.includes('message larger than max')) {
    return new RefusedError(`etcd ${host} does not take requests so large; by default 1.5 MiB`, { cause: error });
  }
  if (error instanceof RefusedError) {
    return new RefusedError(`etcd ${host}: ${message}`, { cause: error });
  }
  if (message.includes('permission denied')) {
    return new RefusedError(`etcd ${host} does not let ${who} do that: permission denied`, { cause: error });
  }
  if (/user name is empty|authentication failed|invalid auth token|user name not found/.test(message)) {
    return new RefusedError(UnavailableError.from(`etcd ${host}`, error).message, { cause: error });
  }
  if (message.includes('it hangs up at once')) {
    return UnavailableError.from(`etcd ${host}`, error);
  }
  if (error instanceof Error && kindOf(error) === 'away') {
    const why = /connect [A-Z]+|Name resolution failed/.exec(message)?.[0] ?? 'no answer in time';
    return new UnavailableError(`etcd ${host} does not answer (${why})`, { cause: error });
  }
  return UnavailableError.from(`etcd ${host}`, error);
}
