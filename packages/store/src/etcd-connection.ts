import { type CallOptions, InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import {
  type AuthClient,
  Etcd3,
  type IOptions,
  type KVClient,
  type LeaseClient,
  type MaintenanceClient,
  type WatchClient,
} from 'etcd3';
import { Authentication } from './etcd-authentication.js';
import { readLogin, readTlsCredentials } from './etcd-credentials.js';
import { type Asking, inWords } from './etcd-words.js';
import type { EtcdLocation, EtcdOptions } from './url.js';

/**
 * One connection to one member of etcd, made for one attempt and thrown away when anything goes wrong.
 *
 * Of etcd3 only the connection and the generated calls are used. Its watchers and leases reconnect behind the
 * caller's back, with timers that outlive them, and what they hide (a compaction, a lease that is gone) is what
 * has to be seen here. For the same reason its circuit breakers and retries are switched off: the loops in this
 * package retry, with one backoff.
 */
export interface EtcdConnection {
  /** The member, `host:port`. */
  readonly host: string;
  /** Whom etcd takes us for, if it asks at all; undefined = we have not said. */
  readonly user: string | undefined;
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  readonly watch: WatchClient;
  readonly auth: AuthClient;
  readonly maintenance: MaintenanceClient;
  /** Ends every call at once, with an error, and leaves nothing open. */
  close(): void;
}

/**
 * Makes a connection. Certificates and password are read anew each time, so that renewed ones are taken without a
 * restart.
 *
 * @param timeout milliseconds after which a call fails, watches excepted; asked for every call
 * @param signal gives up making it
 * @throws {CredentialsError} if a file cannot be used
 * @throws {Error} if etcd does not let the user in
 */
export async function connectEtcd(
  { scheme }: EtcdLocation,
  host: string,
  options: EtcdOptions,
  timeout: () => number,
  signal: AbortSignal = new AbortController().signal,
): Promise<EtcdConnection> {
  const [tls, login] = await Promise.all([
    scheme === 'https' ? readTlsCredentials(options) : undefined,
    readLogin(options),
  ]);
  const calls = new LiveCalls();
  const authentication = login && new Authentication(login);
  const words = plainWords({ scheme, options, certificateEnds: tls?.certificateEnds });
  const tokens = authentication?.interceptor(() => client.auth);
  const interceptors = [calls.interceptor, words, ...(tokens === undefined ? [] : [tokens])];
  const settings: IOptions = {
    hosts: `${scheme}://${host}`,
    faultHandling: { host: () => noop, global: noop },
    grpcOptions: {
      // A fresh TCP connection for a fresh attempt: grpc-js otherwise shares a dead one between clients.
      'grpc.use_local_subchannel_pool': 1,
      // Finds a black hole under a watch. etcd takes pings at most every 5 s, and only while there is a call.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
      // A transaction's worth of watch events may be larger than the default 4 MiB.
      'grpc.max_receive_message_length': -1,
    },
    defaultCallOptions: ({ isStream, service }): CallOptions => ({
      interceptors,
      ...(isStream && service === 'Watch' ? {} : { deadline: Date.now() + timeout() }),
    }),
    ...(tls === undefined ? {} : { credentials: tls.files }),
  };
  const client = new Etcd3(settings);
  function close(): void {
    calls.cancel();
    client.close();
  }
  signal.addEventListener('abort', close);
  try {
    await authentication?.begin(client.auth);
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener('abort', close);
  }
  return {
    host,
    user: login?.user ?? tls?.commonName,
    kv: client.kv,
    lease: client.leaseClient,
    watch: client.watchClient,
    maintenance: client.maintenance,
    auth: client.auth,
    close,
  };
}

/** Has calls fail with words that say what to do. */
function plainWords(asking: Asking): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _, next) => {
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            if (received.code === status.OK) pass(received);
            else pass({ ...received, details: inWords(received.details, asking, Date.now()) });
          },
        });
      },
    });
}

/** The calls under way: etcd3 hands out promises only, and a call without an end keeps the process from ending. */
class LiveCalls {
  readonly #calls = new Set<InterceptingCall>();

  readonly interceptor: Interceptor = (options, nextCall) => {
    const call = new InterceptingCall(nextCall(options), {
      start: (metadata, _, next) => {
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            this.#calls.delete(call);
            pass(received);
          },
        });
      },
    });
    this.#calls.add(call);
    return call;
  };

  cancel(): void {
    for (const call of this.#calls) {
      call.cancelWithStatus(status.CANCELLED, 'the connection was closed');
    }
    this.#calls.clear();
  }
}
