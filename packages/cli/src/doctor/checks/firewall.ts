/** What the machine's own rules do to the packets of services. */
import type { Family } from '@clusterf/model';
import type { Facts, Interface } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';
import { follow, type Packet, type RuleSet, type Verdict } from '../rule-set.js';
import { clientsDevice, deliveries, deviceTo, isLocal, single } from '../view.js';

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const PROGRAM = { ipv4: 'iptables', ipv6: 'ip6tables' } as const;

/** Packets of which all have to pass, with what is said of them, and what lets them through. */
interface Case {
  readonly what: string;
  readonly packets: readonly Packet[];
  readonly mend: string;
}

export function checkFirewall(facts: Facts): readonly Finding[] {
  if (facts.ipvs === undefined) return [];
  return FAMILIES.filter((family) => isServed(facts, family)).flatMap((family) => {
    const { rules, foreign } = facts.firewall[family];
    const chains = foreign.map(({ table, chain, hook }) =>
      warn('firewall', {
        found: `nftables: the chain ${chain} of ${table} drops in ${hook} unless a rule says otherwise; its rules are not read here`,
        why:
          hook === 'forward'
            ? 'Answers of masqueraded servers pass it, without connection tracking knowing them.'
            : 'Packets to virtual addresses pass it before they are balanced.',
        mend: `nft list chain ${table} ${chain}`,
      }),
    );
    if (rules === undefined) return chains;
    if (!rules.ok) return [...chains, unread(family, rules.message)];
    return [
      ...chains,
      ...incoming(facts, family, rules.value),
      ...published(facts, family, rules.value),
      ...answers(facts, family, rules.value),
    ];
  });
}

/** Rules of a family that no service is of are in nobody's way. */
function isServed({ tree }: Facts, family: Family): boolean {
  return [...(tree?.own.values() ?? [])].some(({ service }) => service.id.family === family);
}

function unread(family: Family, message: string): Finding {
  return warn('firewall', {
    found: `the rules of ${PROGRAM[family]} cannot be read: ${message}`,
    why: 'Whether they let packets through is not known.',
    mend: `sudo clusterf doctor`,
  });
}

/** Virtual services with an address here, as the packets that clients send. */
function requests({ tree, network }: Facts, family: Family): readonly Case[] {
  return [...(tree?.own.values() ?? [])].flatMap(({ service: { id } }) => {
    if (!('address' in id) || id.family !== family) return [];
    const { address, protocol, port } = id;
    const packet = {
      in: clientsDevice(network, family)?.name,
      destination: address,
      protocol,
      destinationPort: port,
      local: true,
      state: 'NEW',
    };
    const mend = `${PROGRAM[family]} -I INPUT -d ${single(address)} -p ${protocol} --dport ${port} -j ACCEPT`;
    return [{ what: `${protocol} ${address}:${port}`, packets: [packet], mend }];
  });
}

/** IPVS takes packets behind the chain INPUT. */
function incoming(facts: Facts, family: Family, rules: RuleSet): readonly Finding[] {
  return judge(requests(facts, family), (packet) => follow(rules, 'filter INPUT', packet), {
    check: 'INPUT',
    good: 'lets packets to virtual addresses in',
    bad: (what, by) => `${by} drops packets to ${what}`,
    why: 'Clients’ packets pass the chain INPUT before they are balanced.',
  });
}

/** NAT comes before IPVS: a port that Docker publishes on all addresses is published on virtual ones too. */
function published(facts: Facts, family: Family, rules: RuleSet): readonly Finding[] {
  const caught = requests(facts, family).flatMap(({ what, packets }) =>
    packets.flatMap((packet) => {
      const { verdict, by } = follow(rules, 'nat PREROUTING', packet);
      return verdict === 'translate' ? [{ what, by, port: packet.destinationPort, protocol: packet.protocol }] : [];
    }),
  );
  return caught.map(({ what, by, port, protocol }) =>
    fail('published ports', {
      found: `${what} goes elsewhere before it is balanced: ${by}`,
      why: 'Whoever publishes a port of this host on all its addresses, as docker run -p does, has it on the virtual ones too.',
      mend:
        `docker ps --filter publish=${port}/${protocol}    # start it again with the host’s own address: ` +
        `docker run -p HOST-ADDRESS:${port}:…`,
    }),
  );
}

/** Masqueraded answers come back as the server sent them, and pass the chain FORWARD before IPVS knows them. */
function answers(facts: Facts, family: Family, rules: RuleSet): readonly Finding[] {
  const { network, tree } = facts;
  const tracked = network.sysctls.get('net.ipv4.vs.conntrack') === '1';
  const out = clientsDevice(network, family);
  const cases = new Map<string, Case>();
  for (const { id, destination } of deliveries(tree?.own)) {
    const { address, port, method } = destination;
    if (id.family !== family || method !== 'masq' || isLocal(network, address)) continue;
    const device = deviceTo(network, address);
    const protocol = 'protocol' in id ? id.protocol : undefined;
    const packet = {
      in: device?.name,
      out: out?.name,
      source: address,
      protocol,
      sourcePort: port === 0 ? undefined : port,
      local: false,
    };
    const what = `${address}${port === 0 ? '' : `:${port}`}${device === undefined ? '' : ` (${device.name})`}`;
    const mend = `${PROGRAM[family]} -I ${forwardChain(rules)} -s ${single(address)} -j ACCEPT`;
    const packets = (tracked ? ['ESTABLISHED'] : untracked(protocol)).map((state) => ({ ...packet, state }));
    cases.set(`${protocol} ${what}`, { what, packets, mend });
  }
  return judge([...cases.values()], (packet) => follow(rules, 'filter FORWARD', packet), {
    check: 'FORWARD',
    good: 'lets answers of masqueraded servers pass',
    bad: (what, by) => `${by} drops answers of ${what}`,
    why: tracked
      ? 'Answers of masqueraded servers pass the chain FORWARD; clients hang.'
      : 'Answers of masqueraded servers pass the chain FORWARD, and are part of no connection to it (net.ipv4.vs.conntrack is 0); clients hang.',
  });
}

/**
 * What tracking takes answers for whose questions it has never seen, as IPVS keeps them from it: the second packet of a
 * handshake is none of a connection, what follows begins one. A datagram always does.
 */
function untracked(protocol: string | undefined): readonly string[] {
  return protocol === 'udp' ? ['NEW'] : ['INVALID', 'NEW'];
}

/** Docker leaves this chain to others, and calls it first. */
export function forwardChain(rules: RuleSet): 'DOCKER-USER' | 'FORWARD' {
  return rules.has('filter DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
}

interface Words {
  readonly check: string;
  readonly good: string;
  readonly bad: (what: string, by: string) => string;
  readonly why: string;
}

function judge(cases: readonly Case[], verdictOf: (packet: Packet) => Verdict, words: Words): readonly Finding[] {
  if (cases.length === 0) return [];
  const judged = cases.map((each) => ({ ...each, ...worst(each.packets.map(verdictOf)) }));
  const groups = (verdict: Verdict['verdict']) => {
    const by = new Map<string, (typeof judged)[number][]>();
    for (const each of judged) if (each.verdict === verdict) by.set(each.by, [...(by.get(each.by) ?? []), each]);
    return [...by];
  };
  const findings = [
    ...groups('drop').map(([by, all]) =>
      fail(words.check, {
        found: words.bad(some([...new Set(all.map(({ what }) => what))]), by),
        why: words.why,
        mend: mends(all),
      }),
    ),
    ...groups('unclear').map(([by, all]) =>
      warn(words.check, {
        found: `whether ${some([...new Set(all.map(({ what }) => what))])} passes depends on more than can be told here: ${by}`,
        why: words.why,
        mend: mends(all),
      }),
    ),
  ];
  return findings.length > 0 ? findings : [ok(words.check, words.good)];
}

const RANKS: readonly Verdict['verdict'][] = ['drop', 'unclear', 'translate', 'accept'];

function worst(verdicts: readonly Verdict[]): Verdict {
  const [first] = verdicts.toSorted((a, b) => RANKS.indexOf(a.verdict) - RANKS.indexOf(b.verdict));
  return first ?? { verdict: 'accept', by: 'nobody' };
}

function mends(cases: readonly Case[]): string {
  return [...new Set(cases.map(({ mend }) => mend))].slice(0, 3).join('\n');
}

/** The bridge that leads to a container, if one does. */
export function bridgeTo(facts: Facts, address: string): Interface | undefined {
  const device = deviceTo(facts.network, address);
  return device?.bridge === true ? device : undefined;
}
