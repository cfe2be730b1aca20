import { type Destination, destinationKey, type VirtualServiceId } from '@clusterf/ipvs';
import type { Op } from './diff.js';
import type { Desired } from './plan.js';
import type { Table } from './table.js';

/** What is known of names, by the keys of a table. */
export type Names = Desired;

const METHOD_COLUMN = { masq: 'Masq', droute: 'Route', tunnel: 'Tunnel', local: 'Local', bypass: 'Bypass' } as const;

/** The table as `ipvsadm -Ln` lays it out, with the names that the tree has for things. */
export function printTable(table: Table, names: Names): string {
  const lines = ['Prot LocalAddress:Port Scheduler Flags', '  -> RemoteAddress:Port           Forward Weight Backends'];
  for (const [key, { service, destinations }] of table) {
    const planned = names.get(key);
    const flags = [
      ...(service.persistence ? [`persistent ${service.persistence.timeout}`] : []),
      ...(service.onePacket ? ['ops'] : []),
    ];
    lines.push(
      `${column(service.id)} ${[service.scheduler, ...flags].join(' ')}  # ${planned?.service.serviceName ?? 'not in the tree'}`,
    );
    for (const [destination, d] of destinations) {
      const backends = planned?.destinations.get(destination)?.backends ?? [];
      lines.push(`  -> ${destination.padEnd(28)} ${METHOD_COLUMN[d.method].padEnd(7)} ${String(d.weight).padEnd(6)} ${backends.join(' ')}`.trimEnd());
    }
  }
  return `${lines.join('\n')}\n`;
}

/** An operation in one line: what `--noop` prints. */
export function printOp(op: Op): string {
  const named = [op.serviceName, ...(op.backends ?? [])].filter((name) => name !== undefined);
  return `${describe(op)}${named.length > 0 ? `  # ${named.join(' ')}` : ''}`;
}

function describe(op: Op): string {
  switch (op.kind) {
    case 'newService':
    case 'setService':
      return `${op.kind} ${op.key} ${op.service.scheduler}`;
    case 'delService':
      return `${op.kind} ${op.key}`;
    case 'newDestination':
    case 'setDestination':
      return `${op.kind} ${op.key} -> ${destinationKey(op.destination)} ${settings(op.destination)}`;
    case 'delDestination':
      return `${op.kind} ${op.key} -> ${destinationKey(op.destination)}`;
  }
}

function settings({ method, weight }: Destination): string {
  return `${method} weight ${weight}`;
}

function column(id: VirtualServiceId): string {
  if ('fwmark' in id) return `FWM  ${id.fwmark}${id.family === 'ipv6' ? ' IPv6' : ''}`;
  const address = id.family === 'ipv6' ? `[${id.address}]` : id.address;
  return `${id.protocol.toUpperCase().padEnd(4)} ${address}:${id.port}`;
}
