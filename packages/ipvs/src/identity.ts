import { canonicalAddress } from './address.js';
import type { DestinationId, VirtualServiceId } from './types.js';

/**
 * One string for each virtual service, for maps and messages: `tcp 10.0.0.1:80`,
 * `tcp [2001:db8::1]:80`, `fwmark ipv4 5`. However the address is spelled, the key is the same.
 */
export function virtualServiceKey(id: VirtualServiceId): string {
  if ('fwmark' in id) return `fwmark ${id.family} ${id.fwmark}`;
  return `${id.protocol} ${endpoint(id)}`;
}

/** One string for each destination of one virtual service: `192.0.2.1:8080`, `[2001:db8::1]:80`. */
export function destinationKey(id: DestinationId): string {
  return endpoint(id);
}

function endpoint({ family, address, port }: DestinationId): string {
  // An address that is none is shown as it came: keys also name the offender in error messages.
  const canonical = canonicalAddress(family, address) ?? address;
  return family === 'ipv4' ? `${canonical}:${port}` : `[${canonical}]:${port}`;
}
