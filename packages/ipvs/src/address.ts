/**
 * IP addresses as text and as bytes. The one text form of each address is dotted decimal for IPv4 and
 * RFC 5952 for IPv6, always in hexadecimal groups (`::ffff:c000:201`, never `::ffff:192.0.2.1`), so that
 * an address read from the kernel equals the one that was configured, character for character.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Family } from './types.js';

/** The address in its one text form; undefined if it is not an address of the family (or has a zone). */
export function canonicalAddress(family: Family, text: string): string | undefined {
  // Dotted decimal as net.isIPv4 takes it (no leading zeros, four parts) has only one spelling.
  if (family === 'ipv4') return isIPv4(text) ? text : undefined;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return formatIPv6(parseIPv6(text));
}

/** Which family the text is an address of, if any. */
export function familyOf(text: string): Family | undefined {
  if (isIPv4(text)) return 'ipv4';
  return isIPv6(text) && !text.includes('%') ? 'ipv6' : undefined;
}

/** A valid IPv4 address as a 32-bit number, first octet highest. */
export function parseIPv4(text: string): number {
  let address = 0;
  let octet = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === DOT) {
      address = (address << 8) | octet;
      octet = 0;
    } else octet = octet * 10 + char - ZERO;
  }
  return ((address << 8) | octet) >>> 0;
}

const DOT = '.'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);

export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** A valid IPv6 address, without zone, as eight 16-bit groups. */
export function parseIPv6(text: string): number[] {
  const [head = '', tail] = text.split('::', 2);
  const front = groups(head);
  if (tail === undefined) return front;
  const back = groups(tail);
  const gap = Array<number>(8 - front.length - back.length).fill(0);
  return [...front, ...gap, ...back];
}

function groups(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const tail = parseIPv4(group);
    return [tail >>> 16, tail & 0xffff];
  });
}

/** RFC 5952 section 4: the longest run of two or more zero groups, the first of equals, becomes `::`. */
export function formatIPv6(address: readonly number[]): string {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && address[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  if (start === -1) return hex(address);
  return `${hex(address.slice(0, start))}::${hex(address.slice(start + length))}`;
}

function hex(part: readonly number[]): string {
  return part.map((group) => group.toString(16)).join(':');
}
