import { errorCode, toError } from '@clusterf/daemon';

/** The kernel refused a request about devices or addresses, or did not answer. Tell cases apart by `code`. */
export class RtnetlinkError extends Error {
  override readonly name = 'RtnetlinkError';
  /** Such as `EEXIST`; `ENOTSUP` is the name Node has for EOPNOTSUPP. */
  readonly code: string;
  /** The message without what was being done. */
  readonly reason: string;

  constructor(command: string, code: string, options?: ErrorOptions) {
    const reason = `${meaning(code)} (${code})`;
    super(`${command}: ${reason}`, options);
    this.code = code;
    this.reason = reason;
  }

  /** Gives what the `netlink` package raises, plain Errors with the code in their words, a code of its own. */
  static from(command: string, thrown: unknown): RtnetlinkError {
    if (thrown instanceof RtnetlinkError) return thrown;
    const cause = toError(thrown);
    const [, refusal] = /^Request rejected: (\w+)$/.exec(cause.message) ?? [];
    const silence = cause.message === 'Timeout has been reached' ? 'ETIMEDOUT' : undefined;
    const code = refusal ?? silence ?? errorCode(cause);
    if (code === undefined) throw cause;
    return new RtnetlinkError(command, code, { cause });
  }
}

function meaning(code: string): string {
  switch (code) {
    case 'EPERM':
      return 'not permitted: needs CAP_NET_ADMIN in the network namespace';
    case 'EEXIST':
      return 'exists already';
    case 'ENODEV':
      return 'no such device';
    case 'EADDRNOTAVAIL':
      return 'no such address';
    case 'ENOTSUP':
      return 'the kernel has no such kind of device or address';
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'the kernel has no room for it';
    case 'ETIMEDOUT':
      return 'the kernel did not answer in time, so the outcome is unknown';
    case 'EINTR':
      return 'the addresses kept changing while they were read';
    default:
      return 'refused';
  }
}
