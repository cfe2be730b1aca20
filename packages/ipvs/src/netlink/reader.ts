import { DecodeError } from '../errors.js';
import type { Attribute, NestedAttribute } from './attribute.js';
import { align, GENL_HEADER, NLA_HEADER, NLA_TYPE_MASK, NLMSG_ERROR, NLMSG_HEADER } from './constants.js';
import { LITTLE } from './kinds.js';

/** One netlink message where it lies in its datagram; the payload is `view` from `start` to `end`. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of the socket that asked. */
  readonly port: number;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/** The messages of a datagram, in order. @throws DecodeError where a length leads outside of it */
export function* messages(bytes: Uint8Array): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < view.byteLength; ) {
    if (view.byteLength - offset < NLMSG_HEADER) {
      throw new DecodeError(`${view.byteLength - offset} bytes where a message header of ${NLMSG_HEADER} should be`);
    }
    const length = view.getUint32(offset, LITTLE);
    const end = offset + length;
    if (length < NLMSG_HEADER || end > view.byteLength) {
      throw new DecodeError(`message of ${length} bytes where ${view.byteLength - offset} are left`);
    }
    yield {
      type: view.getUint16(offset + 4, LITTLE),
      flags: view.getUint16(offset + 6, LITTLE),
      sequence: view.getUint32(offset + 8, LITTLE),
      port: view.getUint32(offset + 12, LITTLE),
      view,
      start: offset + NLMSG_HEADER,
      end,
    };
    offset += align(length);
  }
}

/** The errno, positive, that an NLMSG_ERROR or NLMSG_DONE carries; 0 is success. */
export function errnoIn(message: Message): number {
  if (message.end - message.start < 4) {
    if (message.type === NLMSG_ERROR) throw new DecodeError('error message without its number');
    return 0; // DONE of kernels that say nothing in it.
  }
  return -message.view.getInt32(message.start, LITTLE);
}

/** The attributes of a generic-netlink message. @throws DecodeError */
export function attributesOf(message: Message): Attributes {
  if (message.end - message.start < GENL_HEADER) throw new DecodeError('message without its generic-netlink header');
  return new Attributes(message.view, message.start + GENL_HEADER, message.end);
}

/** Far above the highest attribute number there is; what is numbered higher is unknown to us anyway. */
const HIGHEST = 63;

/**
 * The attributes between two offsets, found by number. Building it checks that they lie within; their
 * values are read where they are, when asked for.
 */
export class Attributes {
  readonly #view: DataView;
  /** By attribute number: where the payload begins, and where it ends. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(view: DataView, start: number, end: number) {
    this.#view = view;
    for (let offset = start; offset < end; ) {
      if (end - offset < NLA_HEADER) {
        throw new DecodeError(`${end - offset} bytes where an attribute header of ${NLA_HEADER} should be`);
      }
      const length = view.getUint16(offset, LITTLE);
      if (length < NLA_HEADER || offset + length > end) {
        throw new DecodeError(`attribute of ${length} bytes where ${end - offset} are left`);
      }
      const number = view.getUint16(offset + 2, LITTLE) & NLA_TYPE_MASK;
      if (number <= HIGHEST) {
        this.#starts[number] = offset + NLA_HEADER;
        this.#ends[number] = offset + length;
      }
      offset += align(length);
    }
  }

  /** The attribute's value, undefined where it is absent. @throws DecodeError where it is malformed */
  get<T>({ name, number, kind }: Attribute<T>): T | undefined {
    const start = this.#starts[number];
    const end = this.#ends[number];
    if (start === undefined || end === undefined) return undefined;
    if (end - start < kind.least) {
      throw new DecodeError(`${name}: ${end - start} bytes where ${kind.least} were expected`);
    }
    try {
      return kind.read(this.#view, start, end - start);
    } catch (cause) {
      if (cause instanceof DecodeError) throw new DecodeError(`${name}: ${cause.message}`, { cause });
      throw cause;
    }
  }

  /** The attribute's value. @throws DecodeError where it is absent or malformed */
  need<T>(attribute: Attribute<T>): T {
    const value = this.get(attribute);
    if (value === undefined) throw new DecodeError(`${attribute.name} is missing`);
    return value;
  }

  /** The attributes nested in this one, undefined where it is absent. @throws DecodeError */
  within({ number }: NestedAttribute): Attributes | undefined {
    const start = this.#starts[number];
    const end = this.#ends[number];
    return start === undefined || end === undefined ? undefined : new Attributes(this.#view, start, end);
  }

  /** @throws DecodeError where it is absent or malformed */
  needWithin(attribute: NestedAttribute): Attributes {
    const inner = this.within(attribute);
    if (inner === undefined) throw new DecodeError(`${attribute.name} is missing`);
    return inner;
  }
}
