import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { Rtnetlink } from '@clusterf/ipvs-agent';
import { parseAddress } from '@clusterf/model';
import type { Interface, Network } from '../facts.js';
import { parseLocal4, parseRoutes4, parseRoutes6 } from '../proc-net.js';

/** Those that some check asks for, whatever the options. */
const SETTINGS = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.ipv4.vs.conntrack',
  'net.netfilter.nf_conntrack_count',
  'net.netfilter.nf_conntrack_max',
];
const PER_DEVICE = ['rp_filter', 'arp_ignore', 'arp_announce'];

/** @param settings names of further kernel settings */
export async function gatherNetwork(settings: readonly string[]): Promise<Network> {
  const interfaces = await gatherInterfaces();
  const [main, six, trie] = await Promise.all(
    ['route', 'ipv6_route', 'fib_trie'].map((name) => read(`/proc/net/${name}`)),
  );
  const { routes, local } = parseRoutes6(six ?? '');
  const perDevice = ['all', ...interfaces.map(({ name }) => name.replaceAll('.', '/'))].flatMap((device) =>
    PER_DEVICE.map((setting) => `net.ipv4.conf.${device}.${setting}`),
  );
  const sysctls = new Map<string, string>();
  for (const name of new Set([...SETTINGS, ...perDevice, ...settings])) {
    const value = await read(pathOf(name));
    if (value !== undefined) sysctls.set(name, value.trim().replaceAll(/\s+/g, ' '));
  }
  return {
    interfaces,
    routes: [...parseRoutes4(main ?? ''), ...routes],
    local: [...parseLocal4(trie ?? ''), ...local],
    sysctls,
    fou: await gatherFou(),
  };
}

/** By netlink: /sys may be another network namespace's. */
async function gatherInterfaces(): Promise<readonly Interface[]> {
  const addresses = networkInterfaces();
  const rtnetlink = new Rtnetlink();
  try {
    return (await rtnetlink.links()).map(({ name, kind, up, mtu, loopback, arp }) => ({
      name,
      up,
      mtu,
      loopback,
      arp,
      bridge: kind === 'bridge',
      addresses: (addresses[name] ?? []).flatMap(({ address }) => {
        const parsed = parseAddress(address);
        return parsed.ok ? [parsed.value.text] : [];
      }),
    }));
  } finally {
    rtnetlink.close();
  }
}

/** The kernel's UDP sockets are its own, of no process; which of them are for tunnels it does not tell in a file. */
async function gatherFou(): Promise<readonly number[] | undefined> {
  const tables = await Promise.all(['udp', 'udp6'].map((name) => read(`/proc/net/${name}`)));
  if (tables.every((table) => table === undefined)) return undefined;
  return tables.flatMap((table) =>
    (table ?? '').split('\n').flatMap((line) => {
      const [, port] = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /.exec(line) ?? [];
      return port === undefined ? [] : [Number.parseInt(port, 16)];
    }),
  );
}

/** A slash in a name is a dot of a device's. */
function pathOf(name: string): string {
  return `/proc/sys/${name
    .split('.')
    .map((part) => part.replaceAll('/', '.'))
    .join('/')}`;
}

async function read(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}
