import { readFileSync } from 'node:fs';
import type { Command } from '../../src/commands.js';
import { prepare } from '../../src/commands.js';
import { LITTLE } from '../../src/netlink/kinds.js';
import { Writer } from '../../src/netlink/writer.js';

/** One message of a trace: its netlink flags, and in hexadecimal all that follows the netlink header. */
export interface TracedMessage {
  readonly flags: number;
  readonly payload: string;
}

export interface Trace {
  /** The command line. */
  readonly command: string;
  readonly requests: readonly TracedMessage[];
  readonly answers: readonly TracedMessage[];
}

/**
 * What ipvsadm 1.31 and Linux 6.1 (little-endian) said to each other, in this order, over an empty table:
 * `strace -e trace=sendmsg,recvmsg -xx -s 65535`, without the look-up of the family, GET_INFO and ACKs.
 */
export const traces: readonly Trace[] = JSON.parse(
  readFileSync(new URL('../fixtures/ipvsadm.json', import.meta.url), 'utf8'),
);

export function traceOf(command: string): Trace {
  const trace = traces.find((one) => one.command === command);
  if (trace === undefined) throw new Error(`no trace of ${command}`);
  return trace;
}

/** The command as it goes out, after the netlink header, in hexadecimal. */
export function payloadOf(command: Command): string {
  const writer = new Writer();
  const { number, body } = prepare(command);
  writer.message({ type: 28, flags: 5, sequence: 1, command: number, version: 1 }, body);
  return Buffer.from(writer.datagram()).subarray(16).toString('hex');
}

export interface Header {
  readonly type?: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly port?: number;
}

/** A message as the kernel sends it. */
export function message(
  payload: Uint8Array | string,
  { type = 28, flags = 0, sequence = 1, port = 7 }: Header = {},
): Buffer {
  const content = typeof payload === 'string' ? Buffer.from(payload, 'hex') : payload;
  const bytes = Buffer.alloc((16 + content.length + 3) & ~3);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, 16 + content.length, LITTLE);
  view.setUint16(4, type, LITTLE);
  view.setUint16(6, flags, LITTLE);
  view.setUint32(8, sequence, LITTLE);
  view.setUint32(12, port, LITTLE);
  bytes.set(content, 16);
  return bytes;
}
