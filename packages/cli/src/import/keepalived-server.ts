/** What a virtual_server says of itself and its servers. */
import type { Tunnel, VirtualServiceId } from '@clusterf/ipvs';
import { accept, type Family, type ForwardingMethod, type Protocol, quote, type Result, reject } from '@clusterf/model';
import { reasonFor } from './keepalived-left.js';
import type { Directive } from './keepalived-syntax.js';
import { parseMask, placeOf, tunnelOf, tunnelType, type TunnelWords, wholeNumber } from './places.js';
import type { Remark } from './remarks.js';
import type { ImportedDestination, ImportedService } from './rules.js';

/** keepalived's own (IPVS_DEF_SCHED, IPVS_SVC_PERSISTENT_TIMEOUT). */
const DEFAULT_SCHEDULER = 'wlc';
const DEFAULT_PERSISTENCE = 360;

/** Schedulers that the agent gives flags to where nothing is said; keepalived gives them none. */
const FLAGGED = ['sh', 'mh'];
const FLAGS = ['flag-1', 'flag-2', 'flag-3', 'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'];
const METHODS: Readonly<Record<string, ForwardingMethod>> = { NAT: 'masq', DR: 'droute', TUN: 'tunnel' };
const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };
const MAX_SECONDS = 0xffff_ffff;
const MAX_WEIGHT = 0x7fff_ffff;
const MAX_LIMIT = 0xffff_ffff;

interface Way {
  readonly method: ForwardingMethod;
  readonly tunnel?: Tunnel;
}

/** Read from a virtual_server's block; what of it cannot be carried over is told. */
export class VirtualServer {
  readonly #tell: (remark: Remark) => void;
  readonly #servers: Directive[] = [];
  readonly #flags: string[] = [];
  #scheduler = DEFAULT_SCHEDULER;
  #way: Way = { method: 'masq' };
  #weight = 1;
  #onePacket: string | undefined;
  #timeout: number | undefined;
  #granularity: { readonly at: string; readonly text: string } | undefined;
  /** Undefined where nothing is said. */
  protocol: Protocol | undefined;
  family: Family | undefined;

  constructor(block: readonly Directive[], tell: (remark: Remark) => void) {
    this.#tell = tell;
    for (const line of block) this.#take(line);
  }

  /** As they are said of a virtual service. */
  settings(id: VirtualServiceId): ImportedService['settings'] {
    const flagged = this.#flags.length > 0 || FLAGGED.includes(this.#scheduler);
    const isDatagrams = 'fwmark' in id || id.protocol === 'udp';
    if (this.#onePacket !== undefined && !isDatagrams)
      this.#tell({ kind: 'left', at: this.#onePacket, what: 'ops', why: 'only datagrams can be scheduled one by one' });
    const persistence = this.#persistence(id.family);
    return {
      scheduler: this.#scheduler,
      ...(flagged && { schedulerFlags: this.#flags }),
      ...(persistence && { persistence }),
      ...(this.#onePacket !== undefined && isDatagrams && { onePacket: true }),
    };
  }

  servers(): readonly ImportedDestination[] {
    return this.#servers.flatMap((line) => {
      const server = this.#server(line);
      if (server.ok) return [server.value];
      this.#lose(line.at, line.words.join(' '), server.message);
      return [];
    });
  }

  #take(line: Directive): void {
    const { at, words } = line;
    const [keyword = '', value = ''] = words;
    switch (keyword) {
      case 'lvs_sched':
      case 'lb_algo':
        this.#scheduler = value;
        break;
      case 'lvs_method':
      case 'lb_kind':
        this.#way = this.#wayOf(at, words) ?? this.#way;
        break;
      case 'protocol':
        this.#setProtocol(at, value);
        break;
      case 'persistence_timeout':
        this.#timeout = value === '' ? DEFAULT_PERSISTENCE : this.#number(at, words, 1, MAX_SECONDS);
        break;
      case 'persistence_granularity':
        this.#granularity = { at, text: value };
        break;
      case 'persistence_engine':
        this.#lose(at, words.join(' '), 'the tree has no engines; clients are told by their addresses');
        break;
      case 'ops':
        this.#onePacket = at;
        break;
      case 'ip_family':
        this.family = familyOf(value);
        break;
      case 'weight':
        this.#weight = this.#number(at, words, 0, MAX_WEIGHT) ?? this.#weight;
        break;
      case 'real_server':
        this.#servers.push(line);
        break;
      default:
        if (FLAGS.includes(keyword)) this.#flags.push(keyword);
        else this.#leave(at, words, 'virtual_server');
    }
  }

  #setProtocol(at: string, text: string): void {
    const protocol = PROTOCOLS[text.toUpperCase()];
    if (protocol === undefined) this.#lose(at, `protocol ${text}`, 'expected TCP, UDP or SCTP');
    else this.protocol = protocol;
  }

  #server({ at: where, words, block = [] }: Directive): Result<ImportedDestination> {
    const [, address = '', port] = words;
    const place = placeOf(address, port);
    if (!place.ok) return place;
    let way = this.#way;
    const numbers = { weight: this.#weight, upperThreshold: 0, lowerThreshold: 0 };
    for (const { at, words: said } of block) {
      const [keyword = ''] = said;
      switch (keyword) {
        case 'weight':
          numbers.weight = this.#number(at, said, 0, MAX_WEIGHT) ?? numbers.weight;
          break;
        case 'uthreshold':
          numbers.upperThreshold = this.#number(at, said, 0, MAX_LIMIT) ?? 0;
          break;
        case 'lthreshold':
          numbers.lowerThreshold = this.#number(at, said, 0, MAX_LIMIT) ?? 0;
          break;
        case 'lvs_method':
          way = this.#wayOf(at, said) ?? way;
          break;
        default:
          this.#leave(at, said, 'real_server');
      }
    }
    return accept({ at: where, ...place.value, ...way, ...numbers });
  }

  /** `lvs_method TUN type gue port 6080 csum` */
  #wayOf(at: string, words: readonly string[]): Way | undefined {
    const [, name = '', ...rest] = words;
    const method = METHODS[name];
    const tunnel = method === 'tunnel' ? tunnelIn(rest) : accept(undefined);
    if (method === undefined) this.#lose(at, words.join(' '), 'expected NAT, DR or TUN');
    else if (!tunnel.ok) this.#lose(at, words.join(' '), tunnel.message);
    else return { method, ...(tunnel.value && { tunnel: tunnel.value }) };
    return undefined;
  }

  #persistence(family: Family): ImportedService['settings']['persistence'] {
    const timeout = this.#timeout ?? (this.#granularity === undefined ? undefined : DEFAULT_PERSISTENCE);
    if (timeout === undefined) return undefined;
    if (this.#granularity === undefined) return { timeout };
    const { at, text } = this.#granularity;
    const netmask = parseMask(text, family);
    if (!netmask.ok)
      this.#lose(at, `persistence_granularity ${text}`, `${netmask.message}; the whole address is taken`);
    return { timeout, ...(netmask.ok && { netmask: netmask.value }) };
  }

  #number(at: string, words: readonly string[], min: number, max: number): number | undefined {
    const number = wholeNumber(words[1] ?? '', min, max);
    if (number === undefined) this.#lose(at, words.join(' '), `expected a whole number from ${min} to ${max}`);
    return number;
  }

  #leave(at: string, words: readonly string[], block: 'virtual_server' | 'real_server'): void {
    const keyword = words[0] ?? '';
    const why = reasonFor(block, keyword) ?? 'it is no keyword that is known here';
    this.#tell({ kind: 'left', at, what: keyword, why });
  }

  #lose(at: string, what: string, why: string): void {
    this.#tell({ kind: 'lost', at, what, why });
  }
}

export function familyOf(word: string | undefined): Family | undefined {
  if (word === 'inet') return 'ipv4';
  return word === 'inet6' ? 'ipv6' : undefined;
}

function tunnelIn(words: readonly string[]): Result<Tunnel | undefined> {
  const tunnel: TunnelWords = {};
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    if (word === 'type') {
      const type = tunnelType(words[(i += 1)] ?? '');
      if (type === undefined) return reject(`the tunnel is ${quote(words[i] ?? '')}; expected ipip, gue or gre`);
      tunnel.type = type;
    } else if (word === 'port') {
      const port = wholeNumber(words[(i += 1)] ?? '', 1, 65_535);
      if (port === undefined) return reject(`the tunnel’s port is ${quote(words[i] ?? '')}; expected a number`);
      tunnel.port = port;
    } else if (word === 'csum') tunnel.checksum = 'checksum';
    else if (word === 'remcsum') tunnel.checksum = 'remote-checksum';
    else if (word !== 'nocsum') return reject(`${quote(word)} is not known of a tunnel`);
  }
  return accept(tunnelOf(tunnel));
}
