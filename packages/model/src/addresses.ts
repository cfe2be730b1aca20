import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { quote } from './quote.js';
import { accept, type Result, reject } from './result.js';
import type { Family } from './types.js';

/** An IP address: canonical text (RFC 5952 for IPv6) and its bits, 32 or 128 of them. */
export interface Address {
  readonly family: Family;
  readonly text: string;
  readonly bits: bigint;
}

/** A CIDR prefix: the network's canonical text (`10.1.0.0/16`), its bits without the host part, and its length. */
export interface Prefix {
  readonly family: Family;
  readonly text: string;
  readonly bits: bigint;
  readonly length: number;
}

const WIDTH = { ipv4: 32, ipv6: 128 } as const;
const NAME = { ipv4: 'an IPv4 address such as 10.0.0.1', ipv6: 'an IPv6 address such as 2001:db8::1' } as const;

/**
 * Reads one address. `net.isIP` decides what is one, since ipaddr.js by itself takes octal and short forms
 * (`010.1` would be 8.0.0.1); ipaddr.js gives the canonical form.
 *
 * @param family the only family that will do; absent = either
 */
export function parseAddress(text: string, family?: Family): Result<Address> {
  const expected = family === undefined ? 'an IPv4 or IPv6 address' : NAME[family];
  const version = isIP(text);
  if (version === 0) {
    return reject(`${quote(text)} is not ${expected}${because(text)}`);
  }
  if (text.includes('%')) {
    return reject(`${quote(text)} has a zone; an address without one was expected`);
  }
  const found: Family = version === 4 ? 'ipv4' : 'ipv6';
  if (family !== undefined && found !== family) {
    return reject(`${quote(text)} is an ${found === 'ipv4' ? 'IPv4' : 'IPv6'} address; expected ${expected}`);
  }
  if (version === 4) {
    // What net.isIP takes has one spelling: four numbers without leading zeros.
    return accept({ family: found, text, bits: toBits(text.split('.').map(Number), 8) });
  }
  const parsed = ipaddr.IPv6.parse(inHexadecimal(text));
  return accept({ family: found, text: parsed.toString(), bits: toBits(parsed.parts, 16) });
}

/**
 * Reads a CIDR prefix. Host bits are dropped, the way Go's `net.ParseCIDR` does: `10.1.2.3/16` is `10.1.0.0/16`.
 */
export function parsePrefix(text: string): Result<Prefix> {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    const hint = isIP(text) === 0 ? '' : `; for this address alone write ${text}/${isIP(text) === 4 ? 32 : 128}`;
    return reject(`${quote(text)} is not a prefix such as 10.1.0.0/16 or 2001:db8::/64${hint}`);
  }
  const address = parseAddress(match[1]);
  if (!address.ok) {
    return reject(`${quote(text)}: ${address.message}`);
  }
  const { family, bits } = address.value;
  const length = Number(match[2]);
  if (length > WIDTH[family]) {
    return reject(`${quote(text)}: the length is ${length}; expected 0 to ${WIDTH[family]}`);
  }
  const hostBits = BigInt(WIDTH[family] - length);
  const network = (bits >> hostBits) << hostBits;
  return accept({ family, text: `${formatBits(family, network)}/${length}`, bits: network, length });
}

/** ipaddr.js takes the deprecated `::1.2.3.4` for `::ffff:1.2.3.4`, which is another address. */
function inHexadecimal(ipv6: string): string {
  return ipv6.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  const hostBits = BigInt(WIDTH[prefix.family] - prefix.length);
  return prefix.family === address.family && address.bits >> hostBits === prefix.bits >> hostBits;
}

/** @param width bits of each part, first part highest */
function toBits(parts: readonly number[], width: number): bigint {
  // Two parts of 16 bits, or four of 8, are still a plain number, which is quicker.
  const size = 32 / width;
  let bits = 0n;
  for (let i = 0; i < parts.length; i += size) {
    const word = parts.slice(i, i + size).reduce((sum, part) => sum * 2 ** width + part, 0);
    bits = (bits << 32n) | BigInt(word);
  }
  return bits;
}

function formatBits(family: Family, bits: bigint): string {
  const width = WIDTH[family] / 8;
  const bytes = Array.from({ length: width }, (_, i) => Number((bits >> BigInt(8 * (width - 1 - i))) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}

/** The mistakes people make, named. */
function because(text: string): string {
  if (/^\[.*\]$/.test(text)) {
    return ' (write it without brackets)';
  }
  if (text.includes('/')) {
    return ' (it is a prefix; one address was expected)';
  }
  if (/^[0-9.]+$/.test(text) && text.split('.').some((part) => /^0[0-9]/.test(part))) {
    return ' (leading zeros are ambiguous: some read them as octal)';
  }
  if (/^[0-9]+(\.[0-9]+){0,2}$/.test(text)) {
    return ' (all four numbers are needed)';
  }
  return '';
}
