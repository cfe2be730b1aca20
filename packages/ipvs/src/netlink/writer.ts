import type { Attribute, NestedAttribute } from './attribute.js';
import { align, GENL_HEADER, NLA_F_NESTED, NLA_HEADER, NLMSG_HEADER } from './constants.js';
import { LITTLE } from './kinds.js';

/** The longest thing written at once: an attribute's header and 32 bytes of payload. */
const SPARE = 64;

/**
 * Builds the generic-netlink messages of one datagram, one after another, in one buffer that is kept
 * from datagram to datagram. Whatever is padding is written as zero, since the buffer is not cleared.
 */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #position = 0;

  constructor(capacity = 16 * 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Begins a new datagram in the same memory: the last one must have been sent by now. */
  clear(): void {
    this.#position = 0;
  }

  /** What has been written, not copied. */
  datagram(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** One message: its netlink header, its generic-netlink header, then what `body` puts. */
  message(header: MessageHeader, body?: (writer: this) => void): void {
    this.#reserve(SPARE);
    const start = this.#position;
    this.#view.setUint16(start + 4, header.type, LITTLE);
    this.#view.setUint16(start + 6, header.flags, LITTLE);
    this.#view.setUint32(start + 8, header.sequence, LITTLE);
    this.#view.setUint32(start + 12, 0, LITTLE);
    this.#view.setUint8(start + 16, header.command);
    this.#view.setUint8(start + 17, header.version);
    this.#view.setUint16(start + 18, 0, LITTLE);
    this.#position = start + NLMSG_HEADER + GENL_HEADER;
    body?.(this);
    // Attributes are padded, so every message ends, and the next begins, at a multiple of four.
    this.#view.setUint32(start, this.#position - start, LITTLE);
  }

  put<T>(attribute: Attribute<T>, value: T): void {
    this.#reserve(SPARE);
    const start = this.#position;
    const length = NLA_HEADER + attribute.kind.write(this.#view, start + NLA_HEADER, value);
    this.#view.setUint16(start, length, LITTLE);
    this.#view.setUint16(start + 2, attribute.number, LITTLE);
    this.#position = start + align(length);
    for (let padding = start + length; padding < this.#position; padding++) this.#bytes[padding] = 0;
  }

  nest(attribute: NestedAttribute, body: (writer: this) => void): void {
    this.#reserve(SPARE);
    const start = this.#position;
    this.#position = start + NLA_HEADER;
    body(this);
    this.#view.setUint16(start, this.#position - start, LITTLE);
    this.#view.setUint16(start + 2, attribute.number | NLA_F_NESTED, LITTLE);
  }

  #reserve(length: number): void {
    if (this.#position + length <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * this.#bytes.length);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

export interface MessageHeader {
  /** A family's id, or that of the controller. */
  readonly type: number;
  /** NLM_F_*. */
  readonly flags: number;
  readonly sequence: number;
  /** Of the family. */
  readonly command: number;
  /** Of the family's interface: 1 for IPVS. */
  readonly version: number;
}
