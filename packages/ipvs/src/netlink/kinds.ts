/**
 * What an attribute's payload may be. A kind reads and writes at an offset of a view, so that neither
 * direction copies or allocates buffers. Numbers of netlink are in the host's byte order; what the
 * kernel keeps as `__be` (addresses, ports, IPv4 masks) is in network order.
 */
import { endianness } from 'node:os';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../address.js';
import { DecodeError } from '../errors.js';

export const LITTLE = endianness() === 'LE';

export interface Kind<T> {
  /** Bytes that must be there to be read; more are let pass, since kernels grow their structures. */
  readonly least: number;
  /** Writes the payload at the offset (there are 32 bytes to spare) and returns its length. */
  write(view: DataView, offset: number, value: T): number;
  read(view: DataView, offset: number, length: number): T;
}

function integer(
  length: number,
  get: (view: DataView, offset: number) => number,
  set: (view: DataView, offset: number, value: number) => void,
): Kind<number> {
  return {
    least: length,
    read: get,
    write(view, offset, value) {
      set(view, offset, value);
      return length;
    },
  };
}

export const u8 = integer(
  1,
  (v, o) => v.getUint8(o),
  (v, o, n) => v.setUint8(o, n),
);
export const u16 = integer(
  2,
  (v, o) => v.getUint16(o, LITTLE),
  (v, o, n) => v.setUint16(o, n, LITTLE),
);
export const be16 = integer(
  2,
  (v, o) => v.getUint16(o),
  (v, o, n) => v.setUint16(o, n),
);
export const u32 = integer(
  4,
  (v, o) => v.getUint32(o, LITTLE),
  (v, o, n) => v.setUint32(o, n, LITTLE),
);

/** A 32-bit counter, read as bigint so that it can stand in for the 64-bit one of newer kernels. */
export const counter32: Kind<bigint> = {
  least: 4,
  read: (view, offset) => BigInt(view.getUint32(offset, LITTLE)),
  write(view, offset, value) {
    view.setUint32(offset, Number(value), LITTLE);
    return 4;
  },
};

export const counter64: Kind<bigint> = {
  least: 8,
  read: (view, offset) => view.getBigUint64(offset, LITTLE),
  write(view, offset, value) {
    view.setBigUint64(offset, value, LITTLE);
    return 8;
  },
};

/** Text of at most 31 ASCII bytes, ended by NUL: names of schedulers, engines, interfaces, families. */
export const text: Kind<string> = {
  least: 1,
  read(view, offset, length) {
    let value = '';
    for (let i = offset; i < offset + length; i++) {
      const char = view.getUint8(i);
      if (char === 0) return value;
      value += String.fromCharCode(char);
    }
    throw new DecodeError('text without its final NUL');
  },
  write(view, offset, value) {
    for (let i = 0; i < value.length; i++) view.setUint8(offset + i, value.charCodeAt(i));
    view.setUint8(offset + value.length, 0);
    return value.length + 1;
  },
};

/** An IPv4 address of four bytes. */
export const ipv4: Kind<string> = {
  least: 4,
  read: (view, offset) => formatIPv4(view.getUint32(offset)),
  write(view, offset, value) {
    view.setUint32(offset, parseIPv4(value));
    return 4;
  },
};

export const ipv6: Kind<string> = {
  least: 16,
  read(view, offset) {
    const groups: number[] = [];
    for (let i = 0; i < 16; i += 2) groups.push(view.getUint16(offset + i));
    return formatIPv6(groups);
  },
  write(view, offset, value) {
    let at = offset;
    for (const group of parseIPv6(value)) {
      view.setUint16(at, group);
      at += 2;
    }
    return 16;
  },
};

/** An IPv4 address in the kernel's `union nf_inet_addr`: sixteen bytes, of which the first four count. */
export const ipv4InUnion: Kind<string> = {
  least: 4,
  read: (view, offset, length) => ipv4.read(view, offset, length),
  write(view, offset, value) {
    ipv4.write(view, offset, value);
    for (let i = 4; i < 16; i += 4) view.setUint32(offset + i, 0);
    return 16;
  },
};

/** A prefix length as an IPv4 netmask in network order; 0 stands for 0.0.0.0. */
export const netmask: Kind<number> = {
  least: 4,
  // Of a mask with holes (ipvsadm can set one) the leading ones count: the rest cannot be said by a length.
  read: (view, offset) => Math.clz32(~view.getUint32(offset)),
  write(view, offset, length) {
    view.setUint32(offset, length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);
    return 4;
  },
};

/** `struct ip_vs_flags {u32 flags, mask}`: what is written replaces all flags, so the mask is full. */
export const flagsWithMask: Kind<number> = {
  least: 8,
  read: (view, offset) => view.getUint32(offset, LITTLE),
  write(view, offset, flags) {
    view.setUint32(offset, flags, LITTLE);
    view.setUint32(offset + 4, 0xffffffff, LITTLE);
    return 8;
  },
};

/** One of a few names, each a number on the wire; bits outside `mask` are not looked at. */
export function oneOf<N extends string>(
  carrier: Kind<number>,
  numbers: Readonly<Record<N, number>>,
  mask = 0xffffffff,
): Kind<N> {
  const names = new Map<number, N>();
  for (const name in numbers) names.set(numbers[name], name);
  return {
    least: carrier.least,
    read(view, offset, length) {
      const number = (carrier.read(view, offset, length) & mask) >>> 0;
      const name = names.get(number);
      if (name === undefined) throw new DecodeError(`${number} is none of ${JSON.stringify(numbers)}`);
      return name;
    },
    write: (view, offset, name) => carrier.write(view, offset, numbers[name]),
  };
}

/** A place for further attributes; what they are is said by the table that it is opened with. */
export const nested = { least: 0, nested: true } as const;
export type Nested = typeof nested;
