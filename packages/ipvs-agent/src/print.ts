import { type Destination, destinationKey, type VirtualService, type VirtualServiceId } from '@clusterf/ipvs';
import type { Op, OpKind } from './diff.js';
import type { Desired } from './plan.js';
import { schedulerFlagNames } from './scheduler.js';
import type { HeldStatus } from './status.js';
import type { Table } from './table.js';

const METHOD_COLUMN = { masq: 'Masq', droute: 'Route', tunnel: 'Tunnel', local: 'Local', bypass: 'Bypass' } as const;

/** What an operation is called in a log line. */
export const OP_TITLES: Readonly<Record<OpKind, string>> = {
  newService: 'new service',
  setService: 'changed service',
  newDestination: 'new destination',
  setDestination: 'changed destination',
  delDestination: 'removed destination',
  delService: 'removed service',
};

/** What it is called where it is not done yet. */
const TODO_TITLES: Readonly<Record<OpKind, string>> = {
  newService: 'new service',
  setService: 'change service',
  newDestination: 'new destination',
  setDestination: 'change destination',
  delDestination: 'remove destination',
  delService: 'remove service',
};

/** The table as `ipvsadm -Ln` lays it out, with the names that the tree has for things. */
export function printTable(table: Table, names: Desired): string {
  const lines = ['Prot LocalAddress:Port Scheduler Flags', '  -> RemoteAddress:Port           Forward Weight Backends'];
  for (const [key, { service, destinations }] of [...table].toSorted(byKey)) {
    const planned = names.get(key);
    lines.push(`${printService(service)}  # ${planned?.service.serviceName ?? 'not in the tree'}`);
    for (const [destination, { method, weight }] of [...destinations].toSorted(byKey)) {
      const backends = planned?.destinations.get(destination)?.backends ?? [];
      const columns = [destination.padEnd(28), METHOD_COLUMN[method].padEnd(7), String(weight).padEnd(6), ...backends];
      lines.push(`  -> ${columns.join(' ')}`.trimEnd());
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The kernel's order is that of its hash table, and differs from boot to boot. */
function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** An operation that is not done yet in one line, as `--noop` prints it. */
export function printOp(op: Op): string {
  const names = [op.serviceName, ...(op.backends ?? [])].filter((name) => name !== undefined);
  const words = Object.entries(settings(op)).map(([name, value]) => ` ${name}=${String(value)}`);
  const target = 'destination' in op ? `${op.key} -> ${destinationKey(op.destination)}` : op.key;
  return `${TODO_TITLES[op.command]}: ${target}${words.join('')}${names.length > 0 ? `  # ${names.join(' ')}` : ''}`;
}

const UNTIL: Readonly<Record<HeldStatus['reason'], string>> = {
  brake: 'by the brake',
  'unreadable entries': 'until every entry can be read',
  'nothing published': 'until the tree publishes something',
};

/** What is held back and why, a line each, as `--noop` prints it. */
export function printHeld({ reason, operations }: HeldStatus): readonly string[] {
  return operations.map((operation) => `held back ${UNTIL[reason]}: ${operation}`);
}

/** An operation as the fields of a log line: names first, since people know those. */
export function describeOp(op: Op): Readonly<Record<string, unknown>> {
  return {
    service: op.serviceName,
    ...(op.backends && { backends: op.backends }),
    virtualService: op.key,
    ...('destination' in op && { destination: destinationKey(op.destination) }),
    ...settings(op),
  };
}

/** The table as data, in the order of {@link printTable}. */
export function tableData(table: Desired): readonly Readonly<Record<string, unknown>>[] {
  return [...table].toSorted(byKey).map(([virtualService, { service, destinations }]) => ({
    virtualService,
    service: service.serviceName,
    ...serviceSettings(service),
    destinations: [...destinations].toSorted(byKey).map(([at, destination]) => ({
      destination: at,
      backends: destination.backends,
      ...destinationSettings(destination),
    })),
  }));
}

/** What a new or changed thing is set to, defaults left out. */
function settings(op: Op): Readonly<Record<string, unknown>> {
  switch (op.command) {
    case 'newService':
    case 'setService':
      return serviceSettings(op.service);
    case 'newDestination':
    case 'setDestination':
      return destinationSettings(op.destination);
    case 'delDestination':
    case 'delService':
      return {};
  }
}

function serviceSettings({ scheduler, schedulerFlags, persistence, onePacket }: VirtualService) {
  return {
    scheduler,
    ...(schedulerFlags !== 0 && { schedulerFlags: schedulerFlagNames(scheduler, schedulerFlags).join(',') }),
    ...(persistence && { persistence: `${persistence.timeout}s/${persistence.prefixLength}` }),
    ...(onePacket && { onePacket }),
  };
}

function destinationSettings({ method, weight, upperThreshold, lowerThreshold, tunnel }: Destination) {
  return {
    method,
    weight,
    ...(upperThreshold !== 0 && { upperThreshold }),
    ...(lowerThreshold !== 0 && { lowerThreshold }),
    ...(tunnel && { tunnel: `${tunnel.type}${tunnel.port === 0 ? '' : `:${tunnel.port}`}` }),
  };
}

/** How a virtual service is set, in a few words: `scheduler=wlc`. */
export function printServiceSettings(service: VirtualService): string {
  return printWords(serviceSettings(service));
}

/** How a destination is set, in a few words: `method=masq weight=10`. */
export function printDestinationSettings(destination: Destination): string {
  return printWords(destinationSettings(destination));
}

function printWords(words: Readonly<Record<string, unknown>>): string {
  return Object.entries(words)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}

function printService(service: VirtualService): string {
  const { scheduler, schedulerFlags, persistence, onePacket } = service;
  const flags = [
    ...(schedulerFlags === 0 ? [] : [`(${schedulerFlagNames(scheduler, schedulerFlags).join(',')})`]),
    ...(persistence ? [`persistent ${persistence.timeout}`] : []),
    ...(onePacket ? ['ops'] : []),
  ];
  return [column(service.id), scheduler, ...flags].join(' ');
}

function column(id: VirtualServiceId): string {
  if ('fwmark' in id) return `FWM  ${id.fwmark}${id.family === 'ipv6' ? ' IPv6' : ''}`;
  const address = id.family === 'ipv6' ? `[${id.address}]` : id.address;
  return `${id.protocol.toUpperCase().padEnd(4)} ${address}:${id.port}`;
}
