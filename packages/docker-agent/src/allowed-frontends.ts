import {
  accept,
  type Frontend,
  parseAddress,
  parsePrefix,
  type Prefix,
  prefixContains,
  reject,
  type Result,
} from '@clusterf/model';
import { PROTOCOLS } from './backend-labels.js';

/** From the first to the last, both included. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/** One `--allow-frontend`: what containers of this host may publish by their labels. */
export type AllowedFrontend =
  | { readonly kind: 'addresses'; readonly text: string; readonly prefix: Prefix; readonly ports: readonly Range[] }
  | { readonly kind: 'fwmarks'; readonly text: string; readonly marks: readonly Range[] };

const MAX_PORT = 65_535;
const MAX_MARK = 4_294_967_295;
const ALL_PORTS: readonly Range[] = [{ first: 1, last: MAX_PORT }];

/** Reads `10.107.0.0/16`, `10.107.107.0/24:80,8000-8999`, `2001:db8::/64:80` (or with brackets) or `fwmark:100-199`. */
export function parseAllowedFrontend(text: string): Result<AllowedFrontend> {
  const marks = /^fwmark:(.*)$/.exec(text)?.[1];
  if (marks !== undefined) {
    const ranges = parseRanges(marks, MAX_MARK);
    return ranges === undefined ? unreadable(text) : accept({ kind: 'fwmarks', text, marks: ranges });
  }
  // The last colon after the length: an IPv6 prefix has colons of its own before it.
  const [, bracketed, plain = bracketed, length, after] =
    /^(?:\[([^\]]*)\]|([^[\]/]*))\/(\d+)(?::(.*))?$/.exec(text) ?? [];
  const prefix = parsePrefix(`${plain ?? ''}/${length ?? ''}`);
  const ports = after === undefined ? ALL_PORTS : parseRanges(after, MAX_PORT);
  return prefix.ok && ports !== undefined
    ? accept({ kind: 'addresses', text, prefix: prefix.value, ports })
    : unreadable(text);
}

function unreadable(text: string): Result<AllowedFrontend> {
  const expected = 'CIDR[:PORTS] such as 10.107.0.0/16 or 2001:db8::/64:80,8000-8999, or fwmark:MARKS';
  return reject(`${JSON.stringify(text)} is not ${expected}`);
}

/** Numbers and spans of them, separated by commas. */
function parseRanges(text: string, max: number): readonly Range[] | undefined {
  const ranges = text.split(',').map((item) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(item) ?? [];
    return { first: Number(first), last: Number(last) };
  });
  return ranges.every(({ first, last }) => first >= 1 && first <= last && last <= max) ? ranges : undefined;
}

/**
 * What a frontend would publish outside all that is allowed: `10.1.2.3:80/tcp`, `firewall mark 7`. A frontend with a
 * mark is told by that alone; its addresses only say which families, and its ports nothing.
 */
export function outside(frontend: Frontend, allowed: readonly AllowedFrontend[]): readonly string[] {
  const { fwmark } = frontend;
  if (fwmark !== undefined) {
    const inside = allowed.some((each) => each.kind === 'fwmarks' && contains(each.marks, fwmark));
    return inside ? [] : [`firewall mark ${fwmark}`];
  }
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    PROTOCOLS.flatMap((protocol) => {
      const address = frontend[family];
      const port = frontend[protocol];
      if (address === undefined || port === undefined || covers(allowed, address, port)) return [];
      return [`${family === 'ipv6' ? `[${address}]` : address}:${port}/${protocol}`];
    }),
  );
}

function covers(allowed: readonly AllowedFrontend[], text: string, port: number): boolean {
  const address = parseAddress(text);
  return (
    address.ok &&
    allowed.some(
      (each) => each.kind === 'addresses' && prefixContains(each.prefix, address.value) && contains(each.ports, port),
    )
  );
}

function contains(ranges: readonly Range[], value: number): boolean {
  return ranges.some(({ first, last }) => first <= value && value <= last);
}
