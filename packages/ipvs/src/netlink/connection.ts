import { constants } from 'node:os';
import { DecodeError, IpvsError, type Label } from '../errors.js';
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_MIN_TYPE } from './constants.js';
import { errnoIn, type Message, messages } from './reader.js';
import type { NetlinkSocket, Sender } from './socket.js';
import { Writer } from './writer.js';

export interface ConnectionOptions {
  readonly openSocket: () => NetlinkSocket;
  /** Milliseconds of silence after which a request fails. */
  readonly timeout: number;
}

/** One datagram and what comes back for it. */
export interface Exchange {
  readonly label: Label;
  /** Writes one or more messages, numbered from `sequence` on, and returns how many. The last must ask for an answer. */
  write(writer: Writer, sequence: number): number;
  /** An answer that is neither an error nor an end. */
  onMessage?(message: Message): void;
  /** A refusal of the message `index` other than the last, which does not end the exchange. */
  onRefusal?(index: number, errno: number): void;
}

/** How an exchange ended: with the errno of its last message (0 if it went well). */
export interface Outcome {
  readonly errno: number;
  /** The kernel's table changed during the dump. */
  readonly interrupted: boolean;
}

/**
 * One netlink socket, and the rule of using it.
 *
 * INVARIANTS
 * - One exchange at a time: the kernel refuses a second dump on a socket whose first is still being read.
 * - An exchange ends by the ACK, the error or the DONE of its last message; by silence; or by a fault of the socket.
 * - After a fault (overrun, truncation, nonsense, silence) the socket is thrown away: what still arrives on
 *   it belongs to nobody, and the next exchange opens another. Sequence numbers go on, so that no answer is
 *   ever taken for that of another question.
 * - The event loop is kept alive by the exchange under way, never by an idle connection.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #writer = new Writer();
  #socket: OpenSocket | undefined;
  #sequence = 0;
  #pending: Pending | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Runs the exchange when all before it have ended.
   * @throws IpvsError ETIMEDOUT, ENOBUFS, EBADF, ECANCELED, or as the system refuses socket or send
   * @throws DecodeError where the answer is malformed
   */
  exchange(exchange: Exchange): Promise<Outcome> {
    const outcome = this.#queue.then(() => this.#run(exchange));
    this.#queue = outcome.catch(() => undefined);
    return outcome;
  }

  /** Ends the exchange under way, and all that wait, with ECANCELED or EBADF. */
  close(): void {
    this.#closed = true;
    const pending = this.#pending;
    this.#drop();
    pending?.fail(new IpvsError(pending.exchange.label, constants.errno.ECANCELED));
  }

  async #run(exchange: Exchange): Promise<Outcome> {
    if (this.#closed) throw new IpvsError(exchange.label, constants.errno.EBADF);
    try {
      const { socket, port } = (this.#socket ??= this.#open(exchange.label));
      const first = this.#sequence + 1;
      this.#writer.clear();
      const last = first + exchange.write(this.#writer, first) - 1;
      // 32 bits, of which 0 is left out; a datagram never straddles the wrap, 2^31 numbers before it.
      this.#sequence = last < 0x7fff_ffff ? last : 0;
      return await new Promise<Outcome>((resolve, reject) => {
        const silence = () => this.#fault(new IpvsError(exchange.label, constants.errno.ETIMEDOUT));
        const timer = setTimeout(silence, this.#options.timeout);
        this.#pending = { exchange, port, first, last, timer, interrupted: false, end: resolve, fail: reject };
        socket.ref();
        // Where it cannot be sent, the socket says so by its `error` event.
        socket.send(this.#writer.datagram());
      });
    } finally {
      clearTimeout(this.#pending?.timer);
      this.#pending = undefined;
      this.#socket?.socket.unref();
    }
  }

  #open(label: Label): OpenSocket {
    const socket = this.#socketFor(label);
    socket.unref();
    const current = () => this.#socket?.socket === socket;
    socket.on('message', (bytes, from) => {
      if (current()) this.#receive(bytes, from);
    });
    socket.on('truncatedMessage', (bytes, { truncated = 0 }) => {
      if (current()) this.#fault(new DecodeError(`datagram of ${truncated} bytes cut to ${bytes.length}`));
    });
    socket.on('error', (error) => {
      if (current()) this.#fault(error);
    });
    return { socket, port: socket.address().port };
  }

  #socketFor(label: Label): NetlinkSocket {
    try {
      return this.#options.openSocket();
    } catch (cause) {
      throw fromSystem(label, cause);
    }
  }

  #receive(bytes: Uint8Array, from: Sender): void {
    const pending = this.#pending;
    if (pending === undefined || from.port !== 0) return;
    pending.timer.refresh();
    try {
      for (const message of messages(bytes)) {
        const outcome = accept(pending, message);
        if (outcome !== undefined) return pending.end(outcome);
      }
    } catch (error) {
      this.#fault(error);
    }
  }

  /** Ends the exchange under way with the error, and the socket with it. */
  #fault(cause: unknown): void {
    const pending = this.#pending;
    this.#drop();
    pending?.fail(fromSystem(pending.exchange.label, cause));
  }

  /** Closed outside of the socket's own callbacks: its native code goes on using it after they return. */
  #drop(): void {
    const dropped = this.#socket?.socket;
    this.#socket = undefined;
    if (dropped) setImmediate(() => dropped.close());
  }
}

interface OpenSocket {
  readonly socket: NetlinkSocket;
  /** Its own port, which the kernel's answers carry. */
  readonly port: number;
}

interface Pending {
  readonly exchange: Exchange;
  readonly port: number;
  readonly first: number;
  readonly last: number;
  readonly timer: NodeJS.Timeout;
  interrupted: boolean;
  readonly end: (outcome: Outcome) => void;
  readonly fail: (error: unknown) => void;
}

/** Takes one message; returns the outcome if it is the exchange's end. Strays change nothing. */
function accept(pending: Pending, message: Message): Outcome | undefined {
  const { exchange, first, last } = pending;
  if (message.port !== pending.port || message.sequence < first || message.sequence > last) return undefined;
  if (message.flags & NLM_F_DUMP_INTR) pending.interrupted = true;
  if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
    const errno = errnoIn(message);
    if (message.sequence === last) return { errno, interrupted: pending.interrupted };
    if (errno !== 0) exchange.onRefusal?.(message.sequence - first, errno);
  } else if (message.type >= NLMSG_MIN_TYPE) {
    exchange.onMessage?.(message);
  }
  return undefined;
}

/** What the system says of the socket, in our terms; what is no system error stays what it is. */
function fromSystem(label: Label, cause: unknown): unknown {
  if (cause instanceof IpvsError || !(cause instanceof Error) || !('errno' in cause)) return cause;
  return typeof cause.errno === 'number' ? new IpvsError(label, cause.errno, { cause }) : cause;
}
