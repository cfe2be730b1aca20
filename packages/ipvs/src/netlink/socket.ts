import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { NETLINK_GENERIC } from './constants.js';

/** As much of a netlink socket as a connection uses; tests script one to make faults. */
export interface NetlinkSocket {
  on(event: 'message' | 'truncatedMessage', listener: (bytes: Uint8Array, from: Sender) => void): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  /** A send that fails emits `error`. The bytes must stay as they are until the answer comes. */
  send(bytes: Uint8Array): void;
  address(): { port: number };
  ref(): void;
  unref(): void;
  close(): void;
}

export interface Sender {
  /** 0 is the kernel. */
  readonly port: number;
  /** Length in bytes of the datagram, if it did not fit. */
  readonly truncated?: number;
}

/**
 * The longest datagram that netlink makes for a dump: it fills as much as the reader last had room for, up to 32 KiB.
 * Every read takes that much memory, which is given back only when V8 collects garbage and which V8 knows nothing of:
 * with 32 KiB, looking through 10,000 virtual services came to hundreds of megabytes.
 */
const LONGEST_DATAGRAM = 8 * 1024;

/** The answers to a full batch of refused commands, and to spare. The kernel may allow less. */
const RECEIVE_BUFFER = 1024 * 1024;

/** @throws ErrnoException where the system refuses a netlink socket */
export function openNetlinkSocket(): NetlinkSocket {
  return new RawNetlinkSocket(NETLINK_GENERIC, {
    messagePeeking: false,
    msgBufferSize: LONGEST_DATAGRAM,
    recvBufferSize: RECEIVE_BUFFER,
    sendBufferSize: 0,
  });
}
