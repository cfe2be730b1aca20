/** Rules as `ipvsadm -Sn` writes them and `ipvsadm -R` reads them. */
import { type VirtualServiceId, virtualServiceKey } from '@clusterf/ipvs';
import { accept, type Family, type ForwardingMethod, type Protocol, quote, type Result, reject } from '@clusterf/model';
import { parseMask, parsePlace, tunnelOf, tunnelType, type TunnelWords, wholeNumber } from './places.js';
import type { Remark } from './remarks.js';
import { type Imported, type ImportedDestination, type ImportedService, treeOf } from './rules.js';

/** ipvsadm's own (DEF_SCHED, IPVS_SVC_PERSISTENT_TIMEOUT, def_conn_flags). */
const DEFAULT_SCHEDULER = 'wlc';
const DEFAULT_PERSISTENCE = 360;
const DEFAULT_METHOD: ForwardingMethod = 'droute';
const DEFAULT_WEIGHT = 1;

const MAX_MARK = 0xffff_ffff;
const MAX_SECONDS = 0xffff_ffff;
const MAX_WEIGHT = 0x7fff_ffff;
const MAX_LIMIT = 0xffff_ffff;

/** Schedulers that the agent gives flags to where nothing is said; ipvsadm gives them none. */
const FLAGGED = ['sh', 'mh'];

type Command = 'add-service' | 'add-server' | 'clear';
type Words = Readonly<Record<string, string>>;

const COMMANDS: Readonly<Record<string, Command>> = {
  '-A': 'add-service',
  '--add-service': 'add-service',
  '-a': 'add-server',
  '--add-server': 'add-server',
  '-C': 'clear',
  '--clear': 'clear',
};

/** By spelling: the option, and whether a word follows it. */
const OPTIONS: Readonly<Record<string, readonly [name: string, value: 'value' | 'none' | 'number if any']>> = {
  '-t': ['tcp', 'value'],
  '--tcp-service': ['tcp', 'value'],
  '-u': ['udp', 'value'],
  '--udp-service': ['udp', 'value'],
  '--sctp-service': ['sctp', 'value'],
  '-f': ['fwmark', 'value'],
  '--fwmark-service': ['fwmark', 'value'],
  '-6': ['ipv6', 'none'],
  '--ipv6': ['ipv6', 'none'],
  '-s': ['scheduler', 'value'],
  '--scheduler': ['scheduler', 'value'],
  '-b': ['flags', 'value'],
  '--sched-flags': ['flags', 'value'],
  '-p': ['persistent', 'number if any'],
  '--persistent': ['persistent', 'number if any'],
  '-M': ['netmask', 'value'],
  '--netmask': ['netmask', 'value'],
  '--pe': ['engine', 'value'],
  '-o': ['ops', 'none'],
  '--ops': ['ops', 'none'],
  // As ipvsadm before 1.26 wrote it.
  ops: ['ops', 'none'],
  '-r': ['server', 'value'],
  '--real-server': ['server', 'value'],
  '-g': ['droute', 'none'],
  '--gatewaying': ['droute', 'none'],
  '-i': ['tunnel', 'none'],
  '--ipip': ['tunnel', 'none'],
  '-m': ['masq', 'none'],
  '--masquerading': ['masq', 'none'],
  '-w': ['weight', 'value'],
  '--weight': ['weight', 'value'],
  '-x': ['upper', 'value'],
  '--u-threshold': ['upper', 'value'],
  '-y': ['lower', 'value'],
  '--l-threshold': ['lower', 'value'],
  '--tun-type': ['tun-type', 'value'],
  '--tun-port': ['tun-port', 'value'],
  '--tun-nocsum': ['nocsum', 'none'],
  '--tun-csum': ['csum', 'none'],
  '--tun-remcsum': ['remcsum', 'none'],
  '-n': ['numeric', 'none'],
  '--numeric': ['numeric', 'none'],
};

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];
const METHODS: readonly ForwardingMethod[] = ['masq', 'droute', 'tunnel'];

/** A service while its servers are still to come. */
interface Growing extends Omit<ImportedService, 'destinations'> {
  readonly destinations: ImportedDestination[];
}

/** @param file as places name it */
export function importIpvsadm(text: string, file: string): Imported {
  const remarks: Remark[] = [];
  let services: Growing[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = line
      .replace(/(^|\s)#.*$/, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    const [first] = words;
    if (first === undefined) continue;
    const at = `${file}:${index + 1}`;
    const lose = (why: string) => void remarks.push({ kind: 'lost', at, what: words.join(' '), why });
    const command = words[0] === 'ipvsadm' ? words[1] : first;
    const known = command !== undefined && Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
    if (known === undefined) {
      lose(unknownCommand(line));
      continue;
    }
    if (known === 'clear') {
      services = [];
      continue;
    }
    const options = parseOptions(words.slice(words.indexOf(command ?? '') + 1));
    const id = options.ok ? identity(options.value) : options;
    if (!options.ok || !id.ok) {
      lose(id.ok ? '' : id.message);
      continue;
    }
    const service = services.find((one) => virtualServiceKey(one.id) === virtualServiceKey(id.value));
    if (known === 'add-service') {
      const settings = settingsOf(options.value, id.value, (why) => lose(why));
      services.push({ at, id: id.value, settings, destinations: [] });
    } else if (service === undefined) lose('no line above adds this virtual service (-A)');
    else {
      const destination = destinationOf(options.value, id.value, at);
      if (destination.ok) service.destinations.push(destination.value);
      else lose(destination.message);
    }
  }
  const { entries, remarks: more } = treeOf(services);
  return { entries, remarks: [...remarks, ...more] };
}

function unknownCommand(line: string): string {
  return /^IP Virtual Server|^Prot |^\s*->|^(TCP|UDP|SCTP|FWM)\s/.test(line)
    ? 'this is a listing; expected rules, as ipvsadm -Sn writes them'
    : 'only rules are read: -A, -a and -C, as ipvsadm -Sn writes them';
}

function parseOptions(words: readonly string[]): Result<Words> {
  const options: Record<string, string> = {};
  for (let i = 0; i < words.length; i += 1) {
    const [spelling = '', attached] = (words[i] ?? '').split(/=(.*)/s);
    const option = Object.hasOwn(OPTIONS, spelling) ? OPTIONS[spelling] : undefined;
    if (option === undefined) return reject(`${quote(spelling)} is not an option that is known here`);
    const [name, value] = option;
    const next = words[i + 1];
    const takes = value === 'value' || (value === 'number if any' && next !== undefined && /^[0-9]+$/.test(next));
    if (takes && attached === undefined) i += 1;
    if (value === 'value' && (attached ?? next) === undefined) return reject(`${spelling} needs a value`);
    options[name] = (takes ? (attached ?? next) : attached) ?? '';
  }
  return accept(options);
}

function identity(options: Words): Result<VirtualServiceId> {
  const { fwmark } = options;
  if (fwmark !== undefined) {
    const mark = wholeNumber(fwmark, 1, MAX_MARK);
    const family: Family = options['ipv6'] === undefined ? 'ipv4' : 'ipv6';
    return mark === undefined ? reject(`the firewall mark is ${quote(fwmark)}`) : accept({ family, fwmark: mark });
  }
  const protocol = PROTOCOLS.find((each) => options[each] !== undefined);
  if (protocol === undefined) return reject('it names no virtual service: expected -t, -u, --sctp-service or -f');
  const place = parsePlace(options[protocol] ?? '');
  return place.ok ? accept({ protocol, ...place.value }) : unnamed(place.message);
}

/** The usual reason for what is no address. */
function unnamed(message: string): Result<never> {
  return reject(`${message} (ipvsadm -Sn writes addresses and ports as numbers, -S alone does not)`);
}

function settingsOf(
  options: Words,
  { family }: VirtualServiceId,
  lose: (why: string) => void,
): ImportedService['settings'] {
  const { scheduler = DEFAULT_SCHEDULER, flags, persistent, netmask, engine, ops } = options;
  const mask = netmask === undefined ? undefined : parseMask(netmask, family);
  if (mask?.ok === false) lose(`${mask.message}; the whole address is taken`);
  if (engine !== undefined)
    lose(`persistence engine ${engine}: the tree has none; clients are told by their addresses`);
  const timeout = persistent === '' ? DEFAULT_PERSISTENCE : wholeNumber(persistent ?? '', 1, MAX_SECONDS);
  return {
    scheduler,
    ...(flags !== undefined
      ? { schedulerFlags: flags.split(',') }
      : FLAGGED.includes(scheduler) && { schedulerFlags: [] }),
    ...(persistent !== undefined &&
      timeout !== undefined && { persistence: { timeout, ...(mask?.ok && { netmask: mask.value }) } }),
    ...(ops !== undefined && { onePacket: true }),
  };
}

function destinationOf(options: Words, id: VirtualServiceId, at: string): Result<ImportedDestination> {
  const { server, weight = String(DEFAULT_WEIGHT), upper = '0', lower = '0' } = options;
  if (server === undefined) return reject('it names no server: expected -r');
  const place = parsePlace(server);
  if (!place.ok) return unnamed(place.message);
  const numbers = {
    weight: wholeNumber(weight, 0, MAX_WEIGHT),
    upperThreshold: wholeNumber(upper, 0, MAX_LIMIT),
    lowerThreshold: wholeNumber(lower, 0, MAX_LIMIT),
  };
  const { weight: given, upperThreshold, lowerThreshold } = numbers;
  if (given === undefined || upperThreshold === undefined || lowerThreshold === undefined)
    return reject('a weight or a threshold is not a whole number');
  const method = METHODS.find((each) => options[each] !== undefined) ?? DEFAULT_METHOD;
  const tunnel = method === 'tunnel' ? tunnelIn(options) : accept(undefined);
  if (!tunnel.ok) return tunnel;
  return accept({
    at,
    ...place.value,
    // A server without a port has that of the virtual service.
    port: place.value.port === 0 && 'port' in id ? id.port : place.value.port,
    method,
    weight: given,
    upperThreshold,
    lowerThreshold,
    ...(tunnel.value && { tunnel: tunnel.value }),
  });
}

function tunnelIn(options: Words): Result<ReturnType<typeof tunnelOf>> {
  const words: TunnelWords = {};
  const { 'tun-type': written = 'ipip', 'tun-port': port } = options;
  const type = tunnelType(written);
  if (type === undefined) return reject(`the tunnel is ${quote(written)}; expected ipip, gue or gre`);
  words.type = type;
  const number = port === undefined ? 0 : wholeNumber(port, 0, 65_535);
  if (number === undefined) return reject(`the tunnel’s port is ${quote(port ?? '')}; expected a number`);
  words.port = number;
  if (options['csum'] !== undefined) words.checksum = 'checksum';
  if (options['remcsum'] !== undefined) words.checksum = 'remote-checksum';
  return accept(tunnelOf(words));
}
