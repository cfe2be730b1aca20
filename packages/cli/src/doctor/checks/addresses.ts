/** Virtual addresses: where they are, whom they are taken for, and who answers for them. */
import { effective, isLocal, onTree, received, single } from '../view.js';
import type { Facts, Interface } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';
import { parseSourceUrl } from '@clusterf/store';

const CHECK = 'virtual addresses';

export function checkAddresses(facts: Facts): readonly Finding[] {
  return [...present(facts), ...taken(facts), ...arp(facts)];
}

/** A virtual address and the services on it. */
function virtualAddresses({ tree }: Facts): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, Set<string>>();
  for (const { service } of tree?.own.values() ?? [])
    if ('address' in service.id)
      addresses.set(service.id.address, (addresses.get(service.id.address) ?? new Set()).add(service.serviceName));
  return new Map([...addresses].map(([address, services]) => [address, [...services]]));
}

/** Packets are balanced where they end, and so on no machine that does not have the address. */
function present(facts: Facts): readonly Finding[] {
  const { ipvs, network, agents, tree } = facts;
  if (ipvs === undefined) return [];
  const addresses = [...virtualAddresses(facts).keys()];
  if (addresses.length === 0) return [];
  if (tree?.config.drains.balancers.has(ipvs.balancer) === true) return [drained(facts, ipvs.balancer, addresses)];
  const missing = addresses.filter((address) => !isLocal(network, address));
  const findings: Finding[] = [];
  const device = ipvs.vipInterface;
  const elsewhere = device === undefined ? [] : addresses.flatMap((address) => on(network.interfaces, address, device));
  if (missing.length > 0 && device === undefined)
    findings.push(
      fail(CHECK, {
        found: `no device of this machine has ${some(missing)}`,
        why: 'The kernel balances what is addressed to this machine; everything else passes it by.',
        mend:
          missing
            .slice(0, 3)
            .map((address) => `ip address add ${single(address)} dev lo`)
            .join('\n') + '\n# or let the agent do it: clusterf-ipvs --vip-interface clusterf0',
      }),
    );
  else if (missing.length > 0 && agents.ipvs?.state === 'running')
    findings.push(
      fail(CHECK, {
        found: `${some(missing)} is not bound on ${device}, though clusterf-ipvs runs`,
        why: 'Its status says why; an address whose service has no server is withheld by --withdraw-when-empty.',
        mend: `curl -s http://${agents.ipvs.listen}/status`,
      }),
    );
  else if (missing.length > 0) findings.push(ok(CHECK, `${some(missing)}: bound when clusterf-ipvs runs`));
  if (elsewhere.length > 0)
    findings.push(
      warn(CHECK, {
        found: `another device than ${device} has ${some(elsewhere.map(({ address, name }) => `${address} (${name})`))}`,
        why: 'clusterf-ipvs leaves such an address where it is, and whoever announces the device’s addresses does not announce it.',
        mend: elsewhere
          .slice(0, 3)
          .map(({ address, name }) => `ip address del ${single(address)} dev ${name}`)
          .join('\n'),
      }),
    );
  return findings.length > 0 ? findings : [ok(CHECK, `${some(addresses)} on this machine`)];
}

/** Whoever puts the addresses back by hand keeps the agent from taking them away ever again. */
function drained(facts: Facts, balancer: string, addresses: readonly string[]): Finding {
  const there = addresses.filter((address) => isLocal(facts.network, address));
  return warn(CHECK, {
    found:
      `balancer ${balancer} is drained: ` +
      (there.length === 0 ? `${some(addresses)} taken away` : `${some(there)} is here all the same`),
    why:
      there.length === 0
        ? 'An operator wants routers to send to others.'
        : 'clusterf-ipvs takes away what is on its --vip-interface, and leaves what somebody else has put elsewhere.',
    mend: onTree(facts, `undrain balancer ${balancer}`),
  });
}

function on(interfaces: readonly Interface[], address: string, device: string) {
  return interfaces
    .filter(({ name, addresses }) => name !== device && addresses.includes(address))
    .map(({ name }) => ({ address, name }));
}

/** An address that is somebody's already. */
function taken(facts: Facts): readonly Finding[] {
  const { tree } = facts;
  const owners = new Map<string, string>();
  for (const { url } of facts.etcd)
    for (const host of etcdHosts(url)) owners.set(host, `the etcd of the configuration (${url})`);
  for (const [name, { gateway }] of tree?.config.routes ?? [])
    if (gateway !== undefined) owners.set(gateway, `the gateway of the route ${name}`);
  for (const [service, { backends }] of tree?.config.services ?? [])
    for (const [name, { ipv4, ipv6 }] of backends)
      for (const address of [ipv4, ipv6])
        if (address !== undefined) owners.set(address, `the backend ${name} of ${service}`);
  return [...virtualAddresses(facts)].flatMap(([address, services]) => {
    const owner = owners.get(address);
    if (owner === undefined) return [];
    return fail(CHECK, {
      found: `${address}, the address of ${some(services)}, is that of ${owner}`,
      why: 'A balancer that has the address sends to itself what it should send there, and is cut off from it.',
      mend: services
        .slice(0, 3)
        .map((service) =>
          onTree(facts, `set services/${service}/frontend ${address.includes(':') ? 'ipv6' : 'ipv4'}=ANOTHER`),
        )
        .join('\n'),
    });
  });
}

function etcdHosts(url: string): readonly string[] {
  const location = parseSourceUrl(url);
  return location.type === 'etcd'
    ? location.hosts.map((host) => host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, ''))
    : [];
}

/** Who gets packets by direct routing or a tunnel has the address too, and must not answer for it. */
function arp(facts: Facts): readonly Finding[] {
  const { network } = facts;
  const behind = [...received(facts, 'droute'), ...received(facts, 'tunnel')].filter(
    ({ id }) => 'address' in id && id.family === 'ipv4' && isLocal(network, id.address),
  );
  if (behind.length === 0) return [];
  const devices = network.interfaces.filter(({ up, arp: asked }) => up && asked);
  const loud = devices.filter(
    ({ name }) => effective(network, 'arp_ignore', name) < 1 || effective(network, 'arp_announce', name) < 2,
  );
  const addresses = [...new Set(behind.flatMap(({ id }) => ('address' in id ? [id.address] : [])))];
  if (loud.length === 0) return [ok('ARP', `this machine keeps ${some(addresses)} to itself`)];
  return [
    warn('ARP', {
      found: `on ${some(loud.map(({ name }) => name))} this machine answers for ${some(addresses)}`,
      why: 'Neighbours that learn the address from here pass the balancers by: all goes to one host.',
      mend: 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2',
    }),
  ];
}
