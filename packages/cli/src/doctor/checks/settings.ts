/** Kernel settings: those that forwarding cannot do without, those that a profile wants, and filters of source addresses. */
import type { Facts } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';
import { clientsDevice, deliveries, effective, isLocal, received } from '../view.js';

/** Of connection tracking's entries, how many in use are too many. */
const FULL = 0.8;

export function checkSettings(facts: Facts): readonly Finding[] {
  return [...forwarding(facts), ...wanted(facts), ...sourceFilters(facts), ...tracking(facts)];
}

/** Masqueraded answers pass the machine; what is sent to itself does not. */
function forwarding({ ipvs, tree, network }: Facts): readonly Finding[] {
  if (ipvs === undefined) return [];
  const masqueraded = deliveries(tree?.own).filter(
    ({ destination }) => destination.method === 'masq' && !isLocal(network, destination.address),
  );
  const findings: Finding[] = [];
  for (const [family, name] of [
    ['ipv4', 'net.ipv4.ip_forward'],
    ['ipv6', 'net.ipv6.conf.all.forwarding'],
  ] as const) {
    const services = [...new Set(masqueraded.filter(({ id }) => id.family === family).map(({ service }) => service))];
    if (services.length === 0) continue;
    if (network.sysctls.get(name) === '1') findings.push(ok('forwarding', `${name} is 1`));
    else
      findings.push(
        fail('forwarding', {
          found: `${name} is ${network.sysctls.get(name) ?? 'not there'}, and ${some(services)} is masqueraded`,
          why:
            'Answers of servers pass this machine on their way to the client, and are dropped.' +
            (family === 'ipv6' ? ' With it the machine ignores router advertisements, unless accept_ra is 2.' : ''),
          mend: `sysctl -w ${name}=1`,
        }),
      );
  }
  return findings;
}

function wanted({ ipvs, network }: Facts): readonly Finding[] {
  if (ipvs === undefined || ipvs.sysctls.length === 0) return [];
  const differing = ipvs.sysctls.filter(({ name, value }) => !sameWords(network.sysctls.get(name), value));
  const by = ipvs.profile === undefined ? 'the options' : `the profile ${ipvs.profile}`;
  if (differing.length === 0) return [ok('kernel settings', `${ipvs.sysctls.length} are as ${by} wants them`)];
  return [
    warn('kernel settings', {
      found: differing
        .map(({ name, value }) => `${name} is ${network.sysctls.get(name) ?? 'not there'}; ${by} wants ${value}`)
        .join('\n'),
      why: 'docs/sysctls.md says what each is for. clusterf-ipvs sets them when it starts, where it may.',
      mend: differing
        .map(({ name, value }) => `sysctl -w ${name}=${/\s/.test(value) ? `'${value}'` : value}`)
        .join('\n'),
    }),
  ];
}

function sameWords(found: string | undefined, value: string): boolean {
  return found !== undefined && found.split(/\s+/).join(' ') === value.trim().split(/\s+/).join(' ');
}

/** What comes out of a tunnel or past a balancer has the client's address, whose way back may be another device. */
function sourceFilters(facts: Facts): readonly Finding[] {
  const { network } = facts;
  const findings: Finding[] = [];
  const kinds = new Set(
    received(facts, 'tunnel').flatMap(({ destination: { family, tunnel } }) =>
      family === 'ipv4' ? [tunnel?.type === 'gre' ? 'gre0' : 'tunl0'] : [],
    ),
  );
  for (const device of kinds) {
    if (!network.interfaces.some(({ name }) => name === device)) continue;
    const strictness = effective(network, 'rp_filter', device);
    if (strictness === 0) findings.push(ok('source filter', `rp_filter of ${device} is 0`));
    else
      findings.push(
        fail('source filter', {
          found: `rp_filter of ${device} is ${strictness}, the greater of its own and that of all devices`,
          why: 'What comes out of the tunnel has the client’s address, whose way back is another device: it is dropped.',
          mend: `sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${device}.rp_filter=0`,
        }),
      );
  }
  for (const device of arrivals(facts)) {
    const back = clientsDevice(network, 'ipv4');
    if (effective(network, 'rp_filter', device) !== 1 || back === undefined || back.name === device) continue;
    findings.push(
      warn('source filter', {
        found: `rp_filter of ${device} is 1, and the way back to most clients is ${back.name}`,
        why: 'What a balancer sends here by direct routing comes from clients’ addresses: strict filtering drops it.',
        mend: `sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${device.replaceAll('.', '/')}.rp_filter=2`,
      }),
    );
  }
  return findings;
}

/** Devices that direct routing leads to. */
function arrivals(facts: Facts): ReadonlySet<string> {
  const targets = new Set(received(facts, 'droute').map(({ destination }) => destination.address));
  return new Set(
    facts.network.interfaces
      .filter(({ addresses }) => addresses.some((one) => targets.has(one)))
      .map(({ name }) => name),
  );
}

function tracking({ network }: Facts): readonly Finding[] {
  const count = Number(network.sysctls.get('net.netfilter.nf_conntrack_count'));
  const most = Number(network.sysctls.get('net.netfilter.nf_conntrack_max'));
  if (!(most > 0) || Number.isNaN(count)) return [];
  if (count < most * FULL) return [ok('connection tracking', `${count} of ${most} entries in use`)];
  return [
    warn('connection tracking', {
      found: `${count} of ${most} entries are in use`,
      why: 'When it is full, new connections through iptables’ NAT and state rules are dropped; --masquerade takes an entry for each.',
      mend: `sysctl -w net.netfilter.nf_conntrack_max=${most * 2}`,
    }),
  ];
}
