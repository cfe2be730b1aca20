import { parsePrefix, parseAddress, prefixContains } from '@clusterf/model';
import type { DockerNetwork, Facts } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';
import { follow, type Packet } from '../rule-set.js';
import { clientsDevice, deliveries } from '../view.js';
import { bridgeTo, forwardChain } from './firewall.js';

/** API 1.41, the oldest that is tested. */
const OLDEST = [20, 10];

export function checkDocker(facts: Facts): readonly Finding[] {
  return facts.docker === undefined ? [] : [...engine(facts), ...directRouting(facts)];
}

function engine({ docker, engine: found }: Facts): readonly Finding[] {
  if (found === undefined || docker === undefined) return [];
  const { error, version, liveRestore, swarm } = found;
  if (error !== undefined)
    return [
      fail('Docker', {
        found: `${docker.endpoint}: ${error}`,
        why: 'Without Docker no container is registered; those that are stay for as long as clusterf-docker runs.',
        mend: /EACCES|permission denied/.test(error)
          ? 'usermod --append --groups docker clusterf    # or whoever runs clusterf-docker'
          : 'systemctl start docker',
      }),
    ];
  const findings = [ok('Docker', `${version ?? 'of unknown version'} at ${docker.endpoint}`)];
  if (version !== undefined && isOlder(version))
    findings.push(
      warn('Docker', {
        found: `Docker ${version}; ${OLDEST.join('.')} and later are tested`,
        why: 'Older ones may tell less of what happens to containers.',
        mend: 'apt-get install --only-upgrade docker.io',
      }),
    );
  if (liveRestore === false && swarm !== true)
    findings.push(
      warn('Docker', {
        found: 'live-restore is off',
        why: 'A restart of dockerd, as by its own upgrade, ends all containers, and the host’s services with them.',
        mend: 'set "live-restore": true in /etc/docker/daemon.json && systemctl reload docker',
      }),
    );
  return findings;
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/**
 * Other machines that send to containers' own addresses. Docker lets nobody do so: since 28 by rules in raw PREROUTING
 * and its chain DOCKER (moby#49325, moby#48724), before by the policy of FORWARD alone.
 */
function directRouting(facts: Facts): readonly Finding[] {
  const { docker, ipvs, tree, network, firewall, engine: found } = facts;
  if (tree === undefined || docker === undefined) return [];
  // Where this machine alone balances, packets to containers do not come from outside.
  if (ipvs !== undefined && tree.otherBalancers.length === 0) return [];
  const blocked = new Map<
    string,
    { by: string; raw: boolean; service: string; network: DockerNetwork | undefined; source: string }
  >();
  let passing = 0;
  for (const { service, id, destination } of deliveries(tree.edge)) {
    const { address, port, family } = destination;
    const bridge = bridgeTo(facts, address);
    const rules = firewall[family].rules;
    if (bridge === undefined || rules?.ok !== true) continue;
    const packet: Packet = {
      in: clientsDevice(network, family)?.name,
      out: bridge.name,
      destination: address,
      protocol: 'protocol' in id ? id.protocol : undefined,
      destinationPort: port === 0 ? undefined : port,
      local: false,
      state: 'NEW',
    };
    const raw = follow(rules.value, 'raw PREROUTING', packet);
    const verdict = raw.verdict === 'drop' ? raw : follow(rules.value, 'filter FORWARD', packet);
    if (verdict.verdict !== 'drop') passing += 1;
    else
      blocked.set(address, {
        by: verdict.by,
        raw: raw.verdict === 'drop' || verdict.by.includes('-A DOCKER '),
        service,
        network: networkOf(found?.networks ?? [], address),
        source: forwardChain(rules.value),
      });
  }
  if (blocked.size === 0)
    return passing === 0 ? [] : [ok('direct routing', 'balancers reach containers on their own addresses')];
  const [[address, first] = ['', undefined]] = blocked;
  if (first === undefined) return [];
  const services = [...new Set([...blocked.values()].map(({ service }) => service))];
  return [
    fail('direct routing', {
      found: `${first.by} drops what balancers send to ${some([...blocked.keys()])}, containers of ${some(services)}`,
      why:
        'Docker lets no other machine send to containers’ own addresses. Balance on this host as well (docs/two-tier.md), ' +
        'publish ports (label clusterf.backend.publish=true), or open the network:',
      mend: first.raw
        ? unprotected(first.network)
        : `iptables -I ${first.source} -d ${first.network?.subnets[0] ?? `${address}/32`} -j ACCEPT`,
    }),
  ];
}

/** Rules in raw come before anything that a person may add; the network itself has to be made without them. */
function unprotected(network: DockerNetwork | undefined): string {
  const name = network === undefined || network.name === 'bridge' ? 'NAME' : network.name;
  return [
    `docker network create -o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected ${name}`,
    '# anew, with its containers; to be had with Docker 28 and later (27: gateway_mode_ipv4=routed with published ports)',
  ].join('\n');
}

function networkOf(networks: readonly DockerNetwork[], text: string): DockerNetwork | undefined {
  const address = parseAddress(text);
  return networks.find(({ subnets }) =>
    subnets.some((subnet) => {
      const prefix = parsePrefix(subnet);
      return prefix.ok && address.ok && prefixContains(prefix.value, address.value);
    }),
  );
}
