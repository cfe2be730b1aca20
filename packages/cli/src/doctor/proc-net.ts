/** The kernel's routes and own addresses, as files below /proc/net write them: no program and no right is needed to read them. */
import { type Address, type Family, parseAddress, parsePrefix, type Prefix, prefixContains } from '@clusterf/model';

export interface KernelRoute {
  readonly prefix: Prefix;
  readonly device: string;
  readonly metric: number;
}

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;
const RTF_LOCAL = 0x8000_0000;

/** /proc/net/route: the main table of IPv4, numbers as the processor has them, which is least significant byte first. */
export function parseRoutes4(text: string): readonly KernelRoute[] {
  return text.split('\n').flatMap((line) => {
    const [device, destination = '', , flags = '', , , metric, mask = ''] = line.trim().split(/\s+/);
    if (device === undefined || !/^[0-9A-F]{8}$/i.test(destination) || !isUsed(Number.parseInt(flags, 16))) return [];
    const bits = Number.parseInt(reversed(mask), 16).toString(2);
    const length = bits.replaceAll('0', '').length;
    const prefix = parsePrefix(`${dotted(reversed(destination))}/${length}`);
    return prefix.ok ? [{ prefix: prefix.value, device, metric: Number(metric) }] : [];
  });
}

/** /proc/net/ipv6_route: all tables of IPv6, and the machine's own addresses among them. */
export function parseRoutes6(text: string): {
  readonly routes: readonly KernelRoute[];
  readonly local: readonly Prefix[];
} {
  const routes: KernelRoute[] = [];
  const local: Prefix[] = [];
  for (const line of text.split('\n')) {
    const [destination = '', length = '', , , , metric = '', , , written = '', device = ''] = line.trim().split(/\s+/);
    const flags = Number.parseInt(written, 16);
    const prefix = parsePrefix(`${(destination.match(/.{4}/g) ?? []).join(':')}/${Number.parseInt(length, 16)}`);
    if (!prefix.ok) continue;
    if ((flags & RTF_LOCAL) !== 0) local.push(prefix.value);
    else if (isUsed(flags)) routes.push({ prefix: prefix.value, device, metric: Number.parseInt(metric, 16) });
  }
  return { routes, local };
}

/** /proc/net/fib_trie: what packets end here for, addresses of devices and local routes alike. */
export function parseLocal4(text: string): readonly Prefix[] {
  const local = new Map<string, Prefix>();
  let address = '';
  for (const line of text.split('\n')) {
    const [, leaf] = /^\s*\|-- (\S+)/.exec(line) ?? [];
    if (leaf !== undefined) address = leaf;
    const [, length] = /^\s*\/(\d+) \S+ LOCAL/.exec(line) ?? [];
    const prefix = length === undefined ? undefined : parsePrefix(`${address}/${length}`);
    if (prefix?.ok) local.set(prefix.value.text, prefix.value);
  }
  return [...local.values()];
}

/** The route that a packet to this address takes: the longest, then the one of the smallest metric. */
export function routeTo(routes: readonly KernelRoute[], address: Address): KernelRoute | undefined {
  return routes
    .filter(({ prefix }) => prefixContains(prefix, address))
    .toSorted((a, b) => b.prefix.length - a.prefix.length || a.metric - b.metric)[0];
}

/** Where packets to the world go, and those of clients come from. */
export function defaultRoute(routes: readonly KernelRoute[], family: Family): KernelRoute | undefined {
  const anywhere = parseAddress(family === 'ipv4' ? '0.0.0.0' : '::');
  return anywhere.ok
    ? routeTo(
        routes.filter(({ prefix }) => prefix.length === 0),
        anywhere.value,
      )
    : undefined;
}

function isUsed(flags: number): boolean {
  return (flags & RTF_UP) !== 0 && (flags & RTF_REJECT) === 0;
}

function reversed(hexadecimal: string): string {
  return (hexadecimal.match(/../g) ?? []).toReversed().join('');
}

function dotted(hexadecimal: string): string {
  return (hexadecimal.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).join('.');
}
