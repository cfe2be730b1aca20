import { type Address, accept, parseAddress, parsePrefix, quote, type Result, reject } from '@clusterf/model';

/** More is more than anybody wrote down by hand, and less than what would fill a tree by a slip. */
const MOST = 1024n;

/** Addresses as a virtual_server_group has them: one, `10.0.0.1-10`, `10.0.0.250-10.0.1.10`, `10.0.0.8/29`, or of IPv6. */
export function parseRange(text: string): Result<readonly Address[]> {
  if (text.includes('/')) {
    const prefix = parsePrefix(text);
    if (!prefix.ok) return prefix;
    const { family, bits, length } = prefix.value;
    return between(text, family, bits, bits + (1n << BigInt((family === 'ipv4' ? 32 : 128) - length)) - 1n);
  }
  const [head = '', tail] = text.split('-');
  const first = parseAddress(head);
  if (!first.ok) return first;
  if (tail === undefined) return accept([first.value]);
  const { family, bits } = first.value;
  // The last part alone, in the notation of the family.
  const short = family === 'ipv4' ? /^[0-9]{1,3}$/.test(tail) : /^[0-9a-f]{1,4}$/i.test(tail);
  const parts = short ? lastPart(bits, family, tail) : wholeAddress(tail, family);
  return parts === undefined ? reject(`${quote(text)}: its end is not an address`) : between(text, family, bits, parts);
}

function lastPart(bits: bigint, family: Address['family'], tail: string): bigint | undefined {
  const width = family === 'ipv4' ? 8n : 16n;
  const last = BigInt(family === 'ipv4' ? tail : `0x${tail}`);
  return last >> width === 0n ? ((bits >> width) << width) | last : undefined;
}

function wholeAddress(text: string, family: Address['family']): bigint | undefined {
  const parsed = parseAddress(text, family);
  return parsed.ok ? parsed.value.bits : undefined;
}

function between(text: string, family: Address['family'], first: bigint, last: bigint): Result<readonly Address[]> {
  if (last < first) return reject(`${quote(text)}: its end is before its beginning`);
  if (last - first >= MOST) return reject(`${quote(text)} is ${last - first + 1n} addresses; expected ${MOST} at most`);
  const addresses: Address[] = [];
  for (let bits = first; bits <= last; bits += 1n) {
    const parsed = parseAddress(family === 'ipv4' ? dotted(bits) : hexadecimal(bits));
    if (parsed.ok) addresses.push(parsed.value);
  }
  return accept(addresses);
}

function dotted(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
}

function hexadecimal(bits: bigint): string {
  return (bits.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':');
}
