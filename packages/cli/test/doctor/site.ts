/** A machine with nothing wrong with it, for checks to find something. */
import { type Desired, Planner } from '@clusterf/ipvs-agent';
import { ConfigTree, parsePrefix, type Prefix } from '@clusterf/model';
import type { Facts, Interface, IpvsSettings, Tree } from '../../src/doctor/facts.js';
import type { Finding } from '../../src/doctor/finding.js';
import { judge } from '../../src/doctor/judge.js';
import type { KernelRoute } from '../../src/doctor/proc-net.js';
import { type RuleSet, parseRuleSet } from '../../src/doctor/rule-set.js';

type Values = Readonly<Record<string, unknown>>;

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

export function device(name: string, more: Partial<Interface> = {}): Interface {
  return { name, up: true, mtu: 1500, loopback: false, arp: true, bridge: false, addresses: [], ...more };
}

export function route(text: string, to: string): KernelRoute {
  return { prefix: prefix(text), device: to, metric: 0 };
}

export function rules(text: string): { readonly ok: true; readonly value: RuleSet } {
  return { ok: true, value: parseRuleSet(text) };
}

/** What balancers make of entries. */
export function tree(values: Values, more: Partial<Tree> = {}, onlyHost?: string): Tree {
  const config = new ConfigTree(['test']);
  const entries = new Map(Object.entries(values).map(([path, value]) => [path, JSON.stringify(value)]));
  config.apply(0, { type: 'snapshot', entries });
  const plan = (host: string | undefined): Desired => {
    const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false, onlyHost: host });
    planner.update(config.config, { services: new Set(config.config.services.keys()), routes: true });
    return planner.desired;
  };
  return {
    config: config.config,
    own: plan(onlyHost),
    edge: plan(undefined),
    problems: [],
    otherBalancers: [],
    ...more,
  };
}

/** A service on 10.0.0.1, masqueraded to a server on eth1. */
export const WEB = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr' },
  'services/web/backends/a': { ipv4: '10.1.0.5', tcp: 8080 },
};

export const IPVS: IpvsSettings = {
  sources: ['etcd:'],
  balancer: 'lb1',
  onlyHost: undefined,
  vipInterface: undefined,
  profile: undefined,
  sysctls: [],
  masquerade: [],
};

/** All facts as they are well, and what is said otherwise. */
export function facts(more: Partial<Facts> = {}): Facts {
  return {
    ipvs: IPVS,
    docker: undefined,
    up: undefined,
    misconfigured: [],
    machine: {
      name: 'lb1',
      version: '1.0.0',
      capabilities: 0x1ff_ffff_ffffn,
      stateDirectory: { path: '/run/clusterf', obstacle: undefined },
    },
    kernel: {
      release: '6.1.0',
      ipvs: true,
      modular: true,
      loaded: new Set(['ip_vs', 'ip_vs_rr']),
      available: new Set(['ip_vs', 'ip_vs_rr', 'ip_vs_wlc', 'dummy', 'ipip']),
    },
    network: network(),
    firewall: { ipv4: { rules: undefined, foreign: [] }, ipv6: { rules: undefined, foreign: [] } },
    etcd: [],
    tree: tree(WEB),
    engine: undefined,
    agents: {
      ipvs: { unit: 'enabled', listen: '127.0.0.1:9780', state: 'running', version: '1.0.0', problems: 0 },
      docker: undefined,
    },
    ...more,
  };
}

export function network(
  more: Partial<Facts['network']> = {},
  settings: Readonly<Record<string, string>> = {},
): Facts['network'] {
  return {
    interfaces: [
      device('lo', { loopback: true, arp: false, mtu: 65_536, addresses: ['127.0.0.1', '10.0.0.1'] }),
      device('eth0', { addresses: ['192.0.2.10'] }),
      device('eth1', { addresses: ['10.1.0.1'] }),
    ],
    routes: [route('0.0.0.0/0', 'eth0'), route('192.0.2.0/24', 'eth0'), route('10.1.0.0/16', 'eth1')],
    local: ['127.0.0.0/8', '10.0.0.1/32', '192.0.2.10/32', '10.1.0.1/32'].map(prefix),
    sysctls: new Map(Object.entries({ 'net.ipv4.ip_forward': '1', ...settings })),
    fou: [],
    ...more,
  };
}

export function local(...texts: readonly string[]): readonly Prefix[] {
  return texts.map(prefix);
}

/** What of the facts is not fine, as one text each, with the commands below it. */
export function troubles(given: Facts): string[] {
  return judge(given)
    .filter(({ severity }) => severity !== 'ok')
    .map(({ severity, check, found, mend = '' }) => `${severity} ${check}: ${found}\n${mend}`);
}

/** What one check came to. */
export function findings(given: Facts, check: string): readonly Finding[] {
  return judge(given).filter((finding) => finding.check === check);
}
