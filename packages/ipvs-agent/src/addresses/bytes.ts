import { canonicalAddress } from '@clusterf/ipvs';
import { parseAddress } from '@clusterf/model';

/** A canonical address in network order: 4 or 16 bytes. @throws RangeError if the text is no address */
export function toBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (!address.ok) throw new RangeError(address.message);
  const { family, bits } = address.value;
  return Buffer.from(bits.toString(16).padStart(family === 'ipv4' ? 8 : 32, '0'), 'hex');
}

/** The canonical text of 4 or 16 bytes, the same that the tree's addresses are brought to; undefined for others. */
export function fromBytes(bytes: Buffer): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  return canonicalAddress('ipv6', bytes.toString('hex').replaceAll(/(?<=.)(?=(?:.{4})+$)/g, ':'));
}

export function isIPv6(address: string): boolean {
  return address.includes(':');
}
