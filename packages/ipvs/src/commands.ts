/**
 * Everything that changes the kernel's table, as data. One type maps each command to its arguments; the
 * union of commands and the table of their encoders both derive from it, so that a command without an
 * encoder does not compile.
 */
import { CMD, DAEMON, DEST, IPVS_CMD, SVC, SVC_FLAG } from './attributes.js';
import {
  canonicalDestination,
  canonicalDestinationId,
  canonicalSyncDaemon,
  canonicalTimeouts,
  canonicalVirtualService,
  canonicalVirtualServiceId,
  checkFamilies,
} from './canonical.js';
import * as check from './check.js';
import { familyOf } from './address.js';
import type { Label } from './errors.js';
import { destinationKey, virtualServiceKey } from './identity.js';
import type { Writer } from './netlink/writer.js';
import type {
  Destination,
  DestinationId,
  SyncDaemon,
  SyncRole,
  Timeouts,
  VirtualService,
  VirtualServiceId,
} from './types.js';

export interface CommandArguments {
  newService: { readonly service: VirtualService };
  setService: { readonly service: VirtualService };
  delService: { readonly service: VirtualServiceId };
  newDestination: { readonly service: VirtualServiceId; readonly destination: Destination };
  setDestination: { readonly service: VirtualServiceId; readonly destination: Destination };
  delDestination: { readonly service: VirtualServiceId; readonly destination: DestinationId };
  newDaemon: { readonly daemon: SyncDaemon };
  delDaemon: { readonly role: SyncRole };
  setTimeouts: { readonly timeouts: Timeouts };
  /** Of one virtual service, or without it of all. */
  zero: { readonly service?: VirtualServiceId };
  /** No arguments. */
  flush: object;
}

export type CommandName = keyof CommandArguments;

/** One command, such as `{ command: 'delService', service: id }`. */
export type Command<N extends CommandName = CommandName> = {
  [K in N]: { readonly command: K } & CommandArguments[K];
}[N];

/** A command whose arguments have been checked, ready to be written as often as need be. */
export interface Request {
  readonly label: Label;
  /** IPVS_CMD_*. */
  readonly number: number;
  readonly body?: (writer: Writer) => void;
}

type Prepare<A> = (args: A) => { readonly subject?: () => string; readonly body?: (writer: Writer) => void };

const COMMANDS: { readonly [N in CommandName]: readonly [number: number, prepare: Prepare<CommandArguments[N]>] } = {
  newService: [IPVS_CMD.NEW_SERVICE, wholeService],
  setService: [IPVS_CMD.SET_SERVICE, wholeService],
  delService: [IPVS_CMD.DEL_SERVICE, ({ service }) => serviceIdentity(service)],
  newDestination: [IPVS_CMD.NEW_DEST, wholeDestination],
  setDestination: [IPVS_CMD.SET_DEST, wholeDestination],
  delDestination: [IPVS_CMD.DEL_DEST, destinationIdentity],
  newDaemon: [IPVS_CMD.NEW_DAEMON, wholeDaemon],
  delDaemon: [IPVS_CMD.DEL_DAEMON, daemonIdentity],
  setTimeouts: [IPVS_CMD.SET_CONFIG, allTimeouts],
  zero: [IPVS_CMD.ZERO, ({ service }) => (service === undefined ? {} : serviceIdentity(service))],
  flush: [IPVS_CMD.FLUSH, () => ({})],
};

/** Checks the arguments. @throws ArgumentError */
export function prepare<N extends CommandName>(command: Command<N>): Request {
  const name: N = command.command;
  const entry: readonly [number, Prepare<CommandArguments[N]>] = COMMANDS[name];
  const { subject, body } = entry[1](command);
  return {
    label: { command: name, ...(subject !== undefined && { subject }) },
    number: entry[0],
    ...(body && { body }),
  };
}

/** The body of a request about one virtual service: reads use it too. */
export function serviceIdentity(service: VirtualServiceId) {
  const id = canonicalVirtualServiceId(service);
  return {
    subject: () => virtualServiceKey(id),
    body: (writer: Writer) => writer.nest(CMD.service, (w) => putServiceId(w, id)),
  };
}

function wholeService({ service }: { readonly service: VirtualService }) {
  const canonical = canonicalVirtualService(service);
  return {
    subject: () => virtualServiceKey(canonical.id),
    body: (writer: Writer) => writer.nest(CMD.service, (w) => putService(w, canonical)),
  };
}

function destinationIdentity({ service, destination }: CommandArguments['delDestination']) {
  const id = canonicalVirtualServiceId(service, 'service');
  const canonical = canonicalDestinationId(destination);
  return onDestination(id, canonical, (writer) => putDestinationId(writer, canonical));
}

function wholeDestination({ service, destination }: CommandArguments['newDestination']) {
  const id = canonicalVirtualServiceId(service, 'service');
  const canonical = canonicalDestination(destination);
  checkFamilies(id, canonical);
  return onDestination(id, canonical, (writer) => putDestination(writer, canonical));
}

function onDestination(id: VirtualServiceId, destination: DestinationId, put: (writer: Writer) => void) {
  return {
    subject: () => `${destinationKey(destination)} of ${virtualServiceKey(id)}`,
    body: (writer: Writer) => {
      writer.nest(CMD.service, (w) => putServiceId(w, id));
      writer.nest(CMD.destination, put);
    },
  };
}

function wholeDaemon({ daemon }: { readonly daemon: SyncDaemon }) {
  const canonical = canonicalSyncDaemon(daemon);
  return {
    subject: () => canonical.role,
    body: (writer: Writer) => writer.nest(CMD.daemon, (w) => putDaemon(w, canonical)),
  };
}

function daemonIdentity({ role }: { readonly role: SyncRole }) {
  const checked = check.oneOf('role', role, ['master', 'backup']);
  return {
    subject: () => checked,
    body: (writer: Writer) => writer.nest(CMD.daemon, (w) => w.put(DAEMON.role, checked)),
  };
}

function allTimeouts({ timeouts }: { readonly timeouts: Timeouts }) {
  const { tcp, tcpFin, udp } = canonicalTimeouts(timeouts);
  return {
    body: (writer: Writer) => {
      writer.put(CMD.timeoutTcp, tcp);
      writer.put(CMD.timeoutTcpFin, tcpFin);
      writer.put(CMD.timeoutUdp, udp);
    },
  };
}

function putServiceId(writer: Writer, id: VirtualServiceId): void {
  writer.put(SVC.family, id.family);
  if ('fwmark' in id) {
    writer.put(SVC.fwmark, id.fwmark);
  } else {
    writer.put(SVC.protocol, id.protocol);
    writer.put(SVC.address[id.family], id.address);
    writer.put(SVC.port, id.port);
  }
}

function putService(writer: Writer, { id, scheduler, schedulerFlags, onePacket, persistence }: VirtualService): void {
  putServiceId(writer, id);
  writer.put(SVC.scheduler, scheduler);
  if (persistence?.engine !== undefined) writer.put(SVC.engine, persistence.engine);
  writer.put(
    SVC.flags,
    (persistence ? SVC_FLAG.persistent : 0) |
      (onePacket ? SVC_FLAG.onePacket : 0) |
      (schedulerFlags << SVC_FLAG.schedulerShift),
  );
  // The kernel demands both of every service; without persistence they are what ipvsadm sends.
  writer.put(SVC.timeout, persistence?.timeout ?? 0);
  writer.put(SVC.netmask[id.family], persistence?.prefixLength ?? (id.family === 'ipv4' ? 32 : 128));
}

function putDestinationId(writer: Writer, { family, address, port }: DestinationId): void {
  writer.put(DEST.family, family);
  writer.put(DEST.address[family], address);
  writer.put(DEST.port, port);
}

function putDestination(writer: Writer, destination: Destination): void {
  putDestinationId(writer, destination);
  writer.put(DEST.method, destination.method);
  writer.put(DEST.weight, destination.weight);
  writer.put(DEST.tunnelType, destination.tunnel?.type ?? 'ipip');
  writer.put(DEST.tunnelPort, destination.tunnel?.port ?? 0);
  writer.put(DEST.tunnelChecksum, destination.tunnel?.checksum ?? 'none');
  writer.put(DEST.upperThreshold, destination.upperThreshold);
  writer.put(DEST.lowerThreshold, destination.lowerThreshold);
}

function putDaemon(writer: Writer, daemon: SyncDaemon): void {
  writer.put(DAEMON.role, daemon.role);
  writer.put(DAEMON.interface, daemon.interface);
  writer.put(DAEMON.syncId, daemon.syncId);
  if (daemon.maxLength !== undefined) writer.put(DAEMON.maxLength, daemon.maxLength);
  if (daemon.port !== undefined) writer.put(DAEMON.port, daemon.port);
  if (daemon.ttl !== undefined) writer.put(DAEMON.ttl, daemon.ttl);
  if (daemon.group !== undefined) writer.put(DAEMON.group[familyOf(daemon.group) ?? 'ipv4'], daemon.group);
}
