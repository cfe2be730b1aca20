/** Loopback, which every machine has: there is nothing to bind, and nobody else to tell. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Made by the kernel on every device that is up. */
export function isLinkLocalIPv6(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}

/**
 * Why a canonical address must not be bound, undefined if it may be. The kernel takes some of these without a word
 * and does nothing, or something else.
 */
export function unsuitable(address: string): string | undefined {
  if (address === '0.0.0.0' || address === '::') return 'it is the unspecified address';
  if (address === '255.255.255.255') return 'it is the broadcast address';
  if (address.includes(':')) {
    if (address.startsWith('ff') && /^ff[0-9a-f]{2}:/.test(address)) return 'it is a multicast address';
    if (isLinkLocalIPv6(address)) return 'it is link-local, which means nothing without a device';
    if (/^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(address))
      return 'it is an IPv4 address in IPv6 dress, never seen on a wire';
    return undefined;
  }
  const first = Number.parseInt(address, 10);
  if (first === 0) return 'it is of 0.0.0.0/8, which no machine may have';
  return first >= 224 && first <= 239 ? 'it is a multicast address' : undefined;
}
