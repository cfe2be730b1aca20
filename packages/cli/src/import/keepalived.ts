/** The virtual servers of a keepalived.conf. What else is in it is said, word by word. */
import type { VirtualServiceId } from '@clusterf/ipvs';
import { type Family, quote } from '@clusterf/model';
import { parseRange } from './address-range.js';
import { type Files, readLines } from './keepalived-lines.js';
import { type Directive, parseDirectives } from './keepalived-syntax.js';
import { reasonFor, reasonForBlock } from './keepalived-left.js';
import { familyOf, VirtualServer } from './keepalived-server.js';
import { placeOf, wholeNumber } from './places.js';
import type { Remark } from './remarks.js';
import { type Imported, type ImportedDestination, type ImportedService, treeOf } from './rules.js';

const MAX_MARK = 0xffff_ffff;

/** Where a virtual server is: an address and a port, or a mark. */
type Front =
  | { readonly family: Family; readonly address: string; readonly port: number }
  | { readonly fwmark: number; readonly family?: Family };

export interface KeepalivedOptions {
  /** As places name it, and where its own includes begin. */
  readonly path: string;
  readonly files: Files;
  /** keepalived's --config-id. */
  readonly configId: string;
}

export async function importKeepalived(text: string, { path, files, configId }: KeepalivedOptions): Promise<Imported> {
  const { lines, remarks } = await readLines(text, path, files);
  const { directives, remarks: ofSyntax } = parseDirectives(lines, configId);
  const reader = new Reader(directives);
  const { entries, remarks: ofTree } = treeOf(reader.services());
  return { entries, remarks: [...remarks, ...ofSyntax, ...reader.remarks, ...ofTree] };
}

class Reader {
  readonly remarks: Remark[] = [];
  readonly #directives: readonly Directive[];
  readonly #groups = new Map<string, readonly Directive[]>();

  constructor(directives: readonly Directive[]) {
    this.#directives = directives;
  }

  services(): readonly ImportedService[] {
    for (const { words, block } of this.#directives)
      if (words[0] === 'virtual_server_group' && words[1] !== undefined) this.#groups.set(words[1], block ?? []);
    const used = new Set<string>();
    const services = this.#directives.flatMap((directive) => {
      const [keyword, ...operands] = directive.words;
      if (keyword === 'virtual_server') {
        if (operands[0] === 'group') used.add(operands[1] ?? '');
        return this.#virtualServer(directive);
      }
      if (keyword !== 'virtual_server_group') this.#leaveBlock(directive);
      return [];
    });
    for (const { at, words } of this.#directives)
      if (words[0] === 'virtual_server_group' && !used.has(words[1] ?? ''))
        this.#leave(at, words.join(' '), 'no virtual_server is of this group');
    return services;
  }

  #virtualServer({ at, words, block = [] }: Directive): readonly ImportedService[] {
    const what = words.join(' ');
    const fronts = this.#fronts(words.slice(1), at, what);
    if (fronts.length === 0) return [];
    const server = new VirtualServer(block, (remark) => void this.remarks.push(remark));
    const servers = server.servers();
    if (servers.length === 0) {
      this.#leave(at, what, 'it has no server, and keepalived ignores it');
      return [];
    }
    if (server.protocol === undefined && fronts.some((front) => 'address' in front))
      this.#leave(at, what, 'it has no protocol, which keepalived takes for UDP; so does this');
    return fronts.map((front): ImportedService => {
      const id = identity(front, server, servers);
      return {
        at,
        id,
        settings: server.settings(id),
        destinations: servers.map((one) => ({ ...one, port: this.#portOf(one, id) })),
      };
    });
  }

  /**
   * keepalived gives a server without a port that of its virtual server, and so it does where packets arrive as they
   * were sent.
   */
  #portOf({ at, address, port, method }: ImportedDestination, id: VirtualServiceId): number {
    if (!('port' in id) || id.port === 0 || port === id.port || (port > 0 && method === 'masq')) return port;
    if (port > 0)
      this.#leave(at, `${address} ${port}`, `by ${method} packets arrive at the port they were sent to: that is taken`);
    return id.port;
  }

  #fronts(operands: readonly string[], at: string, what: string): readonly Front[] {
    const [first = '', second] = operands;
    if (first !== 'group') return this.#front(operands, at, what);
    const group = this.#groups.get(second ?? '');
    if (group === undefined) this.#lose(at, what, 'there is no virtual_server_group of that name');
    return (group ?? []).flatMap((line) => this.#front(line.words, line.at, `${what}: ${line.words.join(' ')}`));
  }

  /** `10.0.0.1 80`, `10.0.0.1-10 80`, `fwmark 5`, `fwmark 5 inet6`. */
  #front([first = '', second, third]: readonly string[], at: string, what: string): readonly Front[] {
    if (first === 'fwmark') {
      const fwmark = wholeNumber(second ?? '', 1, MAX_MARK);
      if (fwmark === undefined) this.#lose(at, what, `the firewall mark is ${quote(second ?? '')}`);
      const family = familyOf(third);
      return fwmark === undefined ? [] : [{ fwmark, ...(family && { family }) }];
    }
    const addresses = parseRange(first);
    if (!addresses.ok) this.#lose(at, what, addresses.message);
    return (addresses.ok ? addresses.value : []).flatMap(({ text }) => {
      const place = placeOf(text, second);
      if (!place.ok) this.#lose(at, what, place.message);
      return place.ok ? [place.value] : [];
    });
  }

  #leaveBlock({ at, words, block = [] }: Directive): void {
    this.#leave(at, words.join(' '), reasonForBlock(words[0] ?? ''));
    if (words[0] !== 'global_defs') return;
    for (const line of block) {
      const reason = reasonFor('global_defs', line.words[0] ?? '');
      if (reason !== undefined) this.#leave(line.at, line.words.join(' '), reason);
    }
  }

  #leave(at: string, what: string, why: string): void {
    this.remarks.push({ kind: 'left', at, what, why });
  }

  #lose(at: string, what: string, why: string): void {
    this.remarks.push({ kind: 'lost', at, what, why });
  }
}

function identity(front: Front, server: VirtualServer, servers: readonly ImportedDestination[]): VirtualServiceId {
  if ('address' in front) return { protocol: server.protocol ?? 'udp', ...front };
  const { fwmark, family } = front;
  return { fwmark, family: family ?? server.family ?? servers[0]?.family ?? 'ipv4' };
}
