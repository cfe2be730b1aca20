import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { type CallOptions, InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions, type KVClient, type LeaseClient, type MaintenanceClient, type WatchClient } from 'etcd3';
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
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  readonly watch: WatchClient;
  readonly maintenance: MaintenanceClient;
  /** Ends every call at once, with an error, and leaves nothing open. */
  close(): void;
}

/**
 * Prepares a connection; nothing is sent before the first call. Certificates and password are read anew each
 * time, so that renewed ones are taken without a restart.
 *
 * @param timeout milliseconds after which a call fails, watches excepted; asked for every call
 * @throws {Error} if a file cannot be read
 */
export async function connectEtcd(
  { scheme }: EtcdLocation,
  host: string,
  options: EtcdOptions,
  timeout: () => number,
): Promise<EtcdConnection> {
  const { user, passwordFile } = options;
  const calls = new LiveCalls();
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
      interceptors: [calls.interceptor],
      ...(isStream && service === 'Watch' ? {} : { deadline: Date.now() + timeout() }),
    }),
    ...(scheme === 'https' ? { credentials: await readCredentials(options) } : {}),
    ...(user === undefined ? {} : { auth: { username: user, password: await readPassword(passwordFile) } }),
  };
  const client = new Etcd3(settings);
  return {
    host,
    kv: client.kv,
    lease: client.leaseClient,
    watch: client.watchClient,
    maintenance: client.maintenance,
    close() {
      calls.cancel();
      client.close();
    },
  };
}

async function readCredentials({ ca, cert, key }: EtcdOptions) {
  const [root, certChain, privateKey] = await Promise.all(
    [ca, cert, key].map(async (path) => (path === undefined ? undefined : await readFile(path))),
  );
  return {
    rootCertificate: root ?? Buffer.from(rootCertificates.join('\n')),
    ...(certChain === undefined ? {} : { certChain }),
    ...(privateKey === undefined ? {} : { privateKey }),
  };
}

async function readPassword(path: string | undefined): Promise<string> {
  return path === undefined ? '' : (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
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
