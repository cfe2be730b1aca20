/**
 * The table and operations on it as lines for `ipvsadm -R` (ipvsadm(8)), in the words that `ipvsadm -S -n` has for them.
 * What the kernel takes and ipvsadm does not: weights above 65535, and for direct routing and tunnels a port other than
 * the virtual service's, which does nothing there.
 */
import {
  type Destination,
  type DestinationId,
  destinationKey,
  type Tunnel,
  type VirtualService,
  type VirtualServiceId,
} from '@clusterf/ipvs';
import type { Op } from './diff.js';
import type { Desired } from './plan.js';
import { schedulerFlagNames } from './scheduler.js';

/** An operation as ipvsadm does it. */
export function ipvsadmLine(op: Op): string {
  switch (op.command) {
    case 'newService':
      return addService(op.service);
    case 'setService':
      return `-E ${virtualService(op.service.id)}${serviceSettings(op.service)}`;
    case 'newDestination':
      return addDestination(op.service, op.destination);
    case 'setDestination':
      return `-e ${destination(op.service, op.destination)}${destinationSettings(op.destination)}`;
    case 'delDestination':
      return `-d ${destination(op.service, op.destination)}`;
    case 'delService':
      return `-D ${virtualService(op.service)}`;
  }
}

/** A whole table, each virtual service before its destinations. */
export function ipvsadmTable(table: Desired): readonly string[] {
  return [...table.values()].flatMap(({ service, destinations }) => [
    addService(service),
    ...[...destinations.values()].map((each) => addDestination(service.id, each)),
  ]);
}

function addService(service: VirtualService): string {
  return `-A ${virtualService(service.id)}${serviceSettings(service)}`;
}

function addDestination(id: VirtualServiceId, added: Destination): string {
  return `-a ${destination(id, added)}${destinationSettings(added)}`;
}

const PROTOCOL_FLAGS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

function virtualService(id: VirtualServiceId): string {
  if ('fwmark' in id) return `-f ${id.fwmark}${id.family === 'ipv6' ? ' -6' : ''}`;
  return `${PROTOCOL_FLAGS[id.protocol]} ${destinationKey(id)}`;
}

function destination(id: VirtualServiceId, to: DestinationId): string {
  return `${virtualService(id)} -r ${destinationKey(to)}`;
}

function serviceSettings({ id, scheduler, schedulerFlags, persistence, onePacket }: VirtualService): string {
  const flags = schedulerFlagNames(scheduler, schedulerFlags);
  return [
    ` -s ${scheduler}`,
    ...(flags.length > 0 ? [`-b ${flags.join(',')}`] : []),
    ...(persistence === undefined ? [] : [`-p ${persistence.timeout}`]),
    ...(persistence === undefined ? [] : netmask(id.family, persistence.prefixLength)),
    ...(persistence?.engine === undefined ? [] : [`--pe ${persistence.engine}`]),
    ...(onePacket ? ['-o'] : []),
  ].join(' ');
}

/** Dotted for IPv4, bits for IPv6; the whole address goes without saying. */
function netmask(family: 'ipv4' | 'ipv6', bits: number): readonly string[] {
  if (family === 'ipv6') return bits === 128 ? [] : [`-M ${bits}`];
  if (bits === 32) return [];
  const mask = (0xffff_ffff << (32 - bits)) >>> 0;
  return [`-M ${[24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.')}`];
}

const METHOD_FLAGS = { masq: '-m', droute: '-g', tunnel: '-i' } as const;

function destinationSettings({ method, weight, upperThreshold, lowerThreshold, tunnel }: Destination): string {
  // The kernel makes local and bypass destinations itself; ipvsadm has no word for them, and no plan has them.
  const how = method === 'local' || method === 'bypass' ? [] : [METHOD_FLAGS[method]];
  return [
    '',
    ...how,
    `-w ${weight}`,
    ...(upperThreshold === 0 ? [] : [`-x ${upperThreshold}`]),
    ...(lowerThreshold === 0 ? [] : [`-y ${lowerThreshold}`]),
    ...(method === 'tunnel' && tunnel !== undefined ? tunnelFlags(tunnel) : []),
  ].join(' ');
}

const CHECKSUM_FLAGS = { none: '--tun-nocsum', checksum: '--tun-csum', 'remote-checksum': '--tun-remcsum' } as const;

function tunnelFlags({ type, port, checksum }: Tunnel): readonly string[] {
  if (type === 'ipip') return ['--tun-type ipip'];
  return [`--tun-type ${type}`, ...(type === 'gue' ? [`--tun-port ${port}`] : []), CHECKSUM_FLAGS[checksum]];
}
