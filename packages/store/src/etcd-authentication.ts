import { InterceptingCall, type Interceptor, type StatusObject, status } from '@grpc/grpc-js';
import type { AuthClient } from 'etcd3';

/** How etcd says that it does not take a token, `ErrGRPCInvalidAuthToken` and `ErrGRPCAuthOldRevision` in its rpctypes. */
const INVALID_TOKEN = 'etcdserver: invalid auth token';
const OLD_REVISION = 'etcdserver: revision of auth store is old';
/** `ErrGRPCAuthNotEnabled`: etcd asks nobody who they are. */
const NOT_ENABLED = 'etcdserver: authentication is not enabled';

const AUTHENTICATE = '/etcdserverpb.Auth/Authenticate';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/**
 * The token by which etcd knows a user, on every call of a connection. etcd takes each for a time only (a simple token
 * for `--auth-token-ttl` after its last use or until etcd restarts, a JWT for its `ttl` and until a right changes),
 * and says so to whoever comes with an older one: a new one is had before that answer is passed on, and etcd3 repeats a
 * call that was answered so. Left to etcd3 itself, each new token would leave a channel open behind it.
 */
export class Authentication {
  readonly #login: Login;
  #token: string | undefined;
  /** The token was taken once: should it not be any more, a new one may be. */
  #proven = false;
  #renewal: Promise<void> | undefined;

  constructor(login: Login) {
    this.#login = login;
  }

  /**
   * Has a token, if etcd wants to know who we are.
   *
   * @throws {Error} as etcd refuses
   */
  async begin(client: Pick<AuthClient, 'authenticate'>): Promise<void> {
    const { user: name, password } = this.#login;
    try {
      const { token } = await client.authenticate({ name, password });
      this.#token = token;
      this.#proven = false;
    } catch (error) {
      // Set up for users before they are asked for, as it has to be: etcd's own client goes on too.
      if (!(error instanceof Error && error.message.includes(NOT_ENABLED))) throw error;
      this.#token = undefined;
    }
  }

  /** Puts the token on calls. @param client to have a new one by */
  interceptor(client: () => Pick<AuthClient, 'authenticate'>): Interceptor {
    return (options, nextCall) => {
      if (options.method_definition.path === AUTHENTICATE) return new InterceptingCall(nextCall(options));
      const token = this.#token;
      return new InterceptingCall(nextCall(options), {
        start: (metadata, _, next) => {
          if (token !== undefined) metadata.set('token', token);
          next(metadata, {
            onReceiveStatus: (received, pass) => {
              if (received.code === status.OK) this.#proven ||= token === this.#token;
              if (isStale(received)) void this.#renewed(received, token, client()).then(pass);
              else pass(received);
            },
          });
        },
      });
    };
  }

  /** @returns what to answer to a call whose token was not taken */
  async #renewed(received: StatusObject, token: string | undefined, client: Pick<AuthClient, 'authenticate'>) {
    if (token === this.#token) {
      if (!this.#proven) return { ...received, details: 'etcd does not take the token that it has just given' };
      try {
        await (this.#renewal ??= this.begin(client).finally(() => (this.#renewal = undefined)));
      } catch (error) {
        return { ...received, details: error instanceof Error ? error.message : String(error) };
      }
    }
    return { ...received, code: status.UNAUTHENTICATED, details: INVALID_TOKEN };
  }
}

function isStale({ code, details }: StatusObject): boolean {
  return code !== status.OK && (details.includes(INVALID_TOKEN) || details.includes(OLD_REVISION));
}
