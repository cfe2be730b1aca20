import { parseSysctl, type SysctlSetting } from './sysctl.js';

/** For every balancer: what is removed or drained lets go of its clients, and ports may be used again. */
const BALANCER = [
  // Connections to a destination that is gone are reset at once instead of hanging until they time out.
  { name: 'net.ipv4.vs.expire_nodest_conn', value: '1' },
  // Persistent clients leave a destination of weight 0, else it would never be drained.
  { name: 'net.ipv4.vs.expire_quiescent_template', value: '1' },
  // A new connection from a port used before is scheduled anew, also where only the client's FIN was seen (droute, tunnel).
  { name: 'net.ipv4.vs.conn_reuse_mode', value: '3' },
] as const satisfies readonly SysctlSetting[];

/** For a balancer among others, to which connections move that it has not seen begin. */
const EDGE = [
  // They are scheduled by any packet, not by their first alone.
  { name: 'net.ipv4.vs.sloppy_tcp', value: '1' },
] as const satisfies readonly SysctlSetting[];

/** Replies of masqueraded connections pass the machine. First, since writing it sets other values of IPv4. */
const ROUTER = [{ name: 'net.ipv4.ip_forward', value: '1' }] as const satisfies readonly SysctlSetting[];

/**
 * Kernel settings by what a balancer is for, `--profile`. docs/sysctls.md explains each and shows what it was
 * measured to do; a test holds that document to this table.
 */
export const PROFILES = {
  'edge-sync': [
    ...BALANCER,
    ...EDGE,
    // Synced as soon as they are established, so that idle connections move too, and again when the other balancers'
    // clocks for them are 10 s behind: by counting packets, as is the default, those of few words lapse there.
    { name: 'net.ipv4.vs.sync_threshold', value: '0 0' },
    { name: 'net.ipv4.vs.sync_refresh_period', value: '10' },
    // With master and backup side by side the other value would stop the balancing itself.
    { name: 'net.ipv4.vs.backup_only', value: '0' },
  ],
  'edge-mh': [...BALANCER, ...EDGE],
  host: [
    ...ROUTER,
    ...BALANCER,
    // The virtual addresses are here, but only the edge may be asked for them.
    { name: 'net.ipv4.conf.all.arp_ignore', value: '1' },
    { name: 'net.ipv4.conf.all.arp_announce', value: '2' },
    // What comes out of the tunnel has the client's address, whose way back is another interface. The stricter of both counts.
    { name: 'net.ipv4.conf.all.rp_filter', value: '0', interface: 'tunl0' },
    { name: 'net.ipv4.conf.tunl0.rp_filter', value: '0', interface: 'tunl0' },
  ],
  standalone: [...ROUTER, ...BALANCER],
} as const satisfies Readonly<Record<string, readonly SysctlSetting[]>>;

export type ProfileName = keyof typeof PROFILES;

export const PROFILE_NAMES = ['edge-sync', 'edge-mh', 'host', 'standalone'] as const satisfies readonly ProfileName[];

export function isProfileName(name: string): name is ProfileName {
  return Object.hasOwn(PROFILES, name);
}

/**
 * The settings of a profile, with those of `--sysctl` in their place or after them.
 *
 * @param overrides `NAME=VALUE` that `checkSysctl` takes; others are ignored. Later ones win.
 */
export function wantedSysctls(
  profile: ProfileName | undefined,
  overrides: readonly string[],
): readonly SysctlSetting[] {
  const settings = new Map<string, SysctlSetting>(
    profile === undefined ? [] : PROFILES[profile].map((setting) => [setting.name, setting]),
  );
  for (const text of overrides) {
    const parsed = parseSysctl(text);
    if (parsed.ok) settings.set(parsed.value.name, parsed.value);
  }
  return [...settings.values()];
}
