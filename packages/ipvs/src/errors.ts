/**
 * The three ways to fail: the kernel (or the way to it) said no, an argument cannot be expressed, or
 * bytes from the kernel make no sense. Nothing else is thrown on purpose.
 */
import { getSystemErrorMap } from 'node:util';

/** Negative errno → name and words. Every call of it builds the map anew. */
const SYSTEM_ERRORS = getSystemErrorMap();

/** What was being done, and to what: makes every error say where it belongs. */
export interface Label {
  /** The client's method or batch command, such as `newService`. */
  readonly command: string;
  /** The virtual service, destination or daemon concerned, as its key: asked for only when something went wrong. */
  readonly subject?: () => string;
}

/** What an errno means for IPVS, where strerror's words would mislead. */
function meaning(code: string, { command }: Label): string | undefined {
  switch (code) {
    case 'EPERM':
      return 'not permitted: needs CAP_NET_ADMIN in the network namespace';
    case 'EEXIST':
      return 'exists already';
    case 'ESRCH':
      return command === 'delDaemon' ? 'that daemon is not running' : 'no such virtual service';
    case 'ENOENT':
      if (command === 'open') return 'kernel has no IPVS: modprobe ip_vs';
      if (command.endsWith('Destination')) return 'no such destination';
      if (command.endsWith('Service')) return 'the kernel lacks this scheduler or persistence engine';
      return 'IPVS has been unloaded since this client was opened';
    case 'ENOBUFS':
      return 'the socket receive buffer overran, so answers were lost and the outcome is unknown';
    case 'ETIMEDOUT':
      return 'the kernel did not answer in time, so the outcome is unknown';
    case 'EINTR':
      return 'the table kept changing while it was read';
    case 'EBADF':
      return 'the client is closed';
    case 'ECANCELED':
      return 'the client was closed before the answer came';
    default:
      return undefined;
  }
}

/** The kernel refused, or could not be asked. Tell cases apart by `code`; the message is for people. */
export class IpvsError extends Error {
  override readonly name = 'IpvsError';
  /** Such as `EEXIST`. */
  readonly code: string;
  /** Positive number of `code` on this machine. */
  readonly errno: number;
  /** The client's method or batch command that failed, such as `newService`. */
  readonly command: string;

  constructor(label: Label, errno: number, options?: ErrorOptions) {
    const [code, words] = SYSTEM_ERRORS.get(-errno) ?? [`E${errno}`, 'unknown error'];
    const what = label.subject === undefined ? label.command : `${label.command} ${label.subject()}`;
    super(`${what}: ${meaning(code, label) ?? words} (${code})`, options);
    this.code = code;
    this.errno = errno;
    this.command = label.command;
  }
}

/** An argument that netlink could not carry or the kernel would misread. Thrown before anything is sent. */
export class ArgumentError extends TypeError {
  override readonly name = 'ArgumentError';
  readonly code = 'ERR_INVALID_ARG_VALUE';
  /** Path of the field, such as `service.id.port`. */
  readonly field: string;

  constructor(field: string, value: unknown, expected: string) {
    super(`${field}: got ${show(value)}, expected ${expected}`);
    this.field = field;
  }
}

/** Bytes that are not the message they should be: a kernel or transport fault, never the caller's. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code = 'ERR_IPVS_DECODE';
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
