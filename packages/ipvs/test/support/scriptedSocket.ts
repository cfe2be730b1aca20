import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { NetlinkSocket } from '../../src/index.js';
import { LITTLE } from '../../src/netlink/kinds.js';
import { messages } from '../../src/netlink/reader.js';
import { message } from './trace.js';

const IPVS = 28;
const PORT = 7;

/** A request as it was sent: where its answer has to go, and its IPVS command. */
export interface Sent {
  readonly sequence: number;
  readonly type: number;
  readonly flags: number;
  readonly command: number;
}

export type Answer = (socket: ScriptedSocket, requests: readonly Sent[]) => void;

/**
 * A netlink socket that makes the faults a kernel will not make on demand. It finds the family and gives
 * GET_INFO's answer by itself; what else is sent is answered by the script, one step for each datagram.
 */
export class ScriptedSocket extends EventEmitter implements NetlinkSocket {
  closed = false;
  referenced = true;
  readonly #script: Answer[];

  constructor(script: Answer[]) {
    super();
    this.#script = script;
  }

  send(bytes: Uint8Array): void {
    const requests = [...messages(bytes)].map(({ sequence, type, flags, view, start }) => {
      return { sequence, type, flags, command: view.getUint8(start) };
    });
    const [first] = requests;
    setImmediate(() => {
      if (first?.type === 16) {
        this.deliver(
          message('0102000006000100' + u16(IPVS) + '0000', { type: 16, sequence: first.sequence, port: PORT }),
        );
        this.acknowledge(first);
      } else if (first?.command === 15) {
        const info = '0e01000008000100010201000800020000100000';
        this.deliver(message(info, { type: IPVS, sequence: first.sequence, port: PORT }));
        this.acknowledge(first);
      } else {
        this.#script.shift()?.(this, requests);
      }
    });
  }

  deliver(bytes: Uint8Array, port = 0): void {
    if (!this.closed) this.emit('message', bytes, { port, groups: 0 });
  }

  acknowledge({ sequence }: Sent, errno = 0): void {
    this.deliver(message(i32(-errno) + '00'.repeat(16), { type: 2, sequence, port: PORT }));
  }

  /** One entry of a dump. */
  entry({ sequence }: Sent, payload: string, flags = 2): void {
    this.deliver(message(payload, { type: IPVS, flags, sequence, port: PORT }));
  }

  done({ sequence }: Sent, { errno = 0, flags = 2 } = {}): void {
    this.deliver(message(i32(-errno), { type: 3, flags, sequence, port: PORT }));
  }

  overrun(): void {
    const { ENOBUFS } = constants.errno;
    this.emit('error', Object.assign(new Error('recvmsg failed'), { errno: ENOBUFS, code: 'ENOBUFS' }));
  }

  address() {
    return { port: PORT };
  }
  ref(): void {
    this.referenced = true;
  }
  unref(): void {
    this.referenced = false;
  }
  close(): void {
    this.closed = true;
  }
}

function u16(value: number): string {
  const view = new DataView(new ArrayBuffer(2));
  view.setUint16(0, value, LITTLE);
  return Buffer.from(view.buffer).toString('hex');
}

function i32(value: number): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, value, LITTLE);
  return Buffer.from(view.buffer).toString('hex');
}
