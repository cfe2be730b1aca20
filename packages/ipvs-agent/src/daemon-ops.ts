import { ArgumentError, canonicalSyncDaemon, type SyncDaemon, type SyncRole } from '@clusterf/ipvs';
import { type Config, type Problem, type SyncSettings, syncKey } from '@clusterf/model';

/** What the tree wants of one balancer. */
export interface WantedDaemons {
  /** The key that says so, `sync` or `balancers/<name>/sync`; absent if neither is there. */
  readonly key?: string;
  /** Two of them where the role is `both`. */
  readonly daemons: readonly SyncDaemon[];
  /** Settings that cannot work: whatever runs is left as it is. */
  readonly problems: readonly Problem[];
}

export type DaemonOp =
  | { readonly command: 'start'; readonly daemon: SyncDaemon }
  /** The kernel changes nothing in a running daemon: it is stopped and started. */
  | { readonly command: 'change'; readonly daemon: SyncDaemon; readonly from: SyncDaemon }
  | { readonly command: 'stop'; readonly daemon: SyncDaemon };

const ROLES: readonly SyncRole[] = ['master', 'backup'];

/** What the kernel fills in: start_sync_thread() in net/netfilter/ipvs/ip_vs_sync.c. */
export const DAEMON_DEFAULTS = { group: '224.0.0.81', port: 8848, ttl: 1 } as const;

export interface SyncPeer {
  /** The balancer's name in the tree. */
  readonly balancer: string;
  /** Whether it balances over other destinations than the others, as in a host tier. */
  readonly apart: boolean;
}

/**
 * The daemons that the tree wants on a balancer: by its own settings, else by those for all. These are not for one
 * whose destinations are not the others': connections of the same client to the same virtual address pass both tiers,
 * and each would take the other's for its own.
 */
export function wantedDaemons(
  config: Pick<Config, 'sync' | 'balancerSync'>,
  { balancer, apart }: SyncPeer,
): WantedDaemons {
  const own = config.balancerSync?.get(balancer);
  const settings = own ?? (apart ? undefined : config.sync);
  if (settings === undefined) return { daemons: [], problems: [] };
  const key = own === undefined ? syncKey() : syncKey(balancer);
  const roles = ROLES.filter((role) => settings.role === 'both' || settings.role === role);
  try {
    const daemons = roles.map((role) => canonicalSyncDaemon(toDaemon(settings, role), 'sync'));
    return { key, daemons, problems: [] };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { key, daemons: [], problems: [{ source: 'kernel', key, message: error.message }] };
  }
}

function toDaemon({ interface: device, syncId, group, port, ttl, maxlen }: SyncSettings, role: SyncRole): SyncDaemon {
  return {
    role,
    interface: device,
    syncId,
    ...(group !== undefined && { group }),
    ...(port !== undefined && { port }),
    ...(ttl !== undefined && { ttl }),
    ...(maxlen !== undefined && { maxLength: maxlen }),
  };
}

/**
 * What makes of the running daemons the wanted ones. One that nobody wants is stopped only if it is among the
 * `started`: those that were started from here.
 */
export function daemonOps(
  wanted: WantedDaemons,
  running: readonly SyncDaemon[],
  started: readonly SyncDaemon[],
): readonly DaemonOp[] {
  if (wanted.problems.length > 0) return [];
  return ROLES.flatMap((role): readonly DaemonOp[] => {
    const daemon = wanted.daemons.find((one) => one.role === role);
    const from = running.find((one) => one.role === role);
    if (daemon === undefined) {
      return from !== undefined && started.some((one) => runsAs(one, from)) ? [{ command: 'stop', daemon: from }] : [];
    }
    if (from === undefined) return [{ command: 'start', daemon }];
    return runsAs(daemon, from) ? [] : [{ command: 'change', daemon, from }];
  });
}

/** Whether a daemon that was asked for is the one that runs, by the kernel's rules for what was left open. */
export function runsAs(asked: SyncDaemon, running: SyncDaemon): boolean {
  const { group, port, ttl } = { ...DAEMON_DEFAULTS, ...asked };
  return (
    asked.role === running.role &&
    asked.interface === running.interface &&
    asked.syncId === running.syncId &&
    group === running.group &&
    port === running.port &&
    ttl === running.ttl &&
    fits(asked, group, running.maxLength ?? 0)
  );
}

/**
 * Whether `running` is what the kernel makes of the length asked for, the headers' off its own bounds. Left open, a
 * master's is that of an MTU of 1500 and a backup's that of its interface, which may have changed since; what
 * counts is that it has room for any such master's messages.
 */
function fits({ role, maxLength = 0 }: SyncDaemon, group: string, running: number): boolean {
  const headers = headersOf(group);
  if (maxLength === 0) return role === 'master' ? running === 1500 - headers : running >= 1500 - headers;
  return running === Math.min(Math.max(maxLength, role === 'backup' ? 1024 : 1), 65_535 - headers);
}

/** Bytes of IP and UDP headers. */
function headersOf(group: string): number {
  return (group.includes(':') ? 40 : 20) + 8;
}

/**
 * A message with one connection of IPv6: struct ip_vs_sync_mesg and struct ip_vs_sync_v6 in
 * net/netfilter/ipvs/ip_vs_sync.c. For what does not fit ip_vs_sync_buff_create() makes room all the same.
 */
const SHORTEST_MESSAGE = 8 + 72;

/** What the kernel takes without a word, and makes something else of. */
export function lengthProblems({ key = syncKey(), daemons }: WantedDaemons): readonly Problem[] {
  const [daemon] = daemons;
  if (daemon?.maxLength === undefined) return [];
  const { maxLength, group = DAEMON_DEFAULTS.group } = daemon;
  const longest = 65_535 - headersOf(group);
  const expected = `expected ${SHORTEST_MESSAGE} to ${longest}`;
  const problem = (text: string) => [
    { source: 'kernel', key, message: `maxlen is ${maxLength}: ${text}; ${expected}` },
  ];
  if (maxLength > longest) return problem(`the kernel makes ${longest} of it`);
  if (maxLength >= SHORTEST_MESSAGE || daemons.every(({ role }) => role === 'backup')) return [];
  return problem('no connection fits, so the kernel sends each in a message of its own, longer than that');
}

/** What an operation is called in a log line. */
export const DAEMON_OP_TITLES: Readonly<Record<DaemonOp['command'], string>> = {
  start: 'started sync daemon',
  change: 'changed sync daemon',
  stop: 'stopped sync daemon',
};

/** An operation in one line, as `--noop` prints it. */
export function printDaemonOp({ command, daemon }: DaemonOp): string {
  return `${DAEMON_OP_TITLES[command]}: ${printDaemon(daemon)}`;
}

export function printDaemon(daemon: SyncDaemon): string {
  return Object.entries(describeDaemon(daemon))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/** A daemon as the fields of a log line, in the tree's words; what was left open is left out. */
export function describeDaemon({ role, interface: device, syncId, group, port, ttl, maxLength }: SyncDaemon) {
  return {
    role,
    interface: device,
    syncId,
    ...(group !== undefined && { group }),
    ...(port !== undefined && { port }),
    ...(ttl !== undefined && { ttl }),
    ...(maxLength !== undefined && { maxlen: maxLength }),
  };
}
