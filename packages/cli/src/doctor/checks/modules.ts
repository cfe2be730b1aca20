import type { Facts } from '../facts.js';
import { fail, type Finding, ok, some } from '../finding.js';
import { onTree, received } from '../view.js';

const CHECK = 'kernel modules';

/** Where the kernel is one for virtual machines, its IPVS is in another package. */
const INSTALL = [
  'apt-get install linux-image-amd64                            # Debian: cloud kernels have fewer modules',
  'apt-get install linux-modules-extra-$(uname -r)              # Ubuntu',
].join('\n');

export function checkModules(facts: Facts): readonly Finding[] {
  return facts.ipvs === undefined ? receiving(facts) : [...balancing(facts), ...receiving(facts)];
}

function balancing(facts: Facts): readonly Finding[] {
  const { kernel, tree, ipvs, network } = facts;
  const isMissing = (module: string) =>
    kernel.available !== undefined && !kernel.available.has(module) && !kernel.loaded.has(module);
  if (!kernel.ipvs)
    return [
      fail(CHECK, {
        found: isMissing('ip_vs') ? `this kernel (${kernel.release}) has no ip_vs` : 'ip_vs is not loaded',
        why: 'The kernel’s own load balancer is all that forwards packets, and clusterf-ipvs loads no modules.',
        mend: isMissing('ip_vs') ? INSTALL : 'modprobe ip_vs && echo ip_vs > /etc/modules-load.d/clusterf.conf',
      }),
    ];
  const findings: Finding[] = [];
  const used = schedulers(tree?.own);
  for (const [scheduler, services] of used)
    if (isMissing(`ip_vs_${scheduler}`))
      findings.push(
        fail(CHECK, {
          found: `this kernel has no scheduler ${scheduler} (module ip_vs_${scheduler}), which ${some(services)} asks for`,
          why: 'The kernel refuses the virtual service: it is not there for clients.',
          mend: services
            .slice(0, 3)
            .map((service) => onTree(facts, `set services/${service}/frontend scheduler=wlc`))
            .concat('# or a kernel that has it:', INSTALL)
            .join('\n'),
        }),
      );
  const device = ipvs?.vipInterface;
  if (device !== undefined && isMissing('dummy') && !network.interfaces.some(({ name }) => name === device))
    findings.push(
      fail(CHECK, {
        found: `this kernel has no module dummy, and there is no device ${device}`,
        why: 'The virtual addresses are put on a device of that kind, unless there is one of that name already.',
        mend: INSTALL,
      }),
    );
  const names = ['ip_vs', ...[...used.keys()].map((scheduler) => `ip_vs_${scheduler}`)];
  return findings.length > 0 ? findings : [ok(CHECK, `${names.join(', ')} (Linux ${kernel.release})`)];
}

/** Schedulers with the services that use them. */
function schedulers(desired: NonNullable<Facts['tree']>['own'] | undefined): ReadonlyMap<string, readonly string[]> {
  const used = new Map<string, Set<string>>();
  for (const { service } of desired?.values() ?? [])
    used.set(service.scheduler, (used.get(service.scheduler) ?? new Set()).add(service.serviceName));
  return new Map([...used].map(([scheduler, services]) => [scheduler, [...services]]));
}

/** By the kind of a tunnel: the kernel's own device that takes packets out of it, and the module that brings it. */
const DEVICES = {
  ipip: { ipv4: ['tunl0', 'ipip'], ipv6: ['ip6tnl0', 'ip6_tunnel'] },
  gue: { ipv4: ['tunl0', 'ipip'], ipv6: ['ip6tnl0', 'ip6_tunnel'] },
  gre: { ipv4: ['gre0', 'ip_gre'], ipv6: ['ip6gre0', 'ip6_gre'] },
} as const;

/** Devices that take packets out of the tunnels that end here. No agent sets them up. */
function receiving(facts: Facts): readonly Finding[] {
  const { network } = facts;
  const findings = new Map<string, Finding>();
  const found = new Set<string>();
  for (const { service, destination } of received(facts, 'tunnel')) {
    const { family, tunnel } = destination;
    const kind = tunnel?.type ?? 'ipip';
    const [device, module] = DEVICES[kind][family];
    if (network.interfaces.some(({ name, up }) => name === device && up)) found.add(device);
    else
      findings.set(
        device,
        fail('tunnels', {
          found: `the device ${device} is not up, and ${service} is sent here by tunnel (${kind}) to ${destination.address}`,
          why: 'Nothing takes the packets out of the tunnel: they are dropped.',
          mend: `modprobe ${module} && ip link set ${device} up`,
        }),
      );
    if (kind !== 'gue' || network.fou === undefined || network.fou.includes(tunnel?.port ?? 0)) continue;
    findings.set(
      `fou ${tunnel?.port}`,
      fail('tunnels', {
        found: `UDP port ${tunnel?.port} is not opened for gue, by which ${service} is sent here`,
        why: 'The packets reach the port, and nobody takes them apart.',
        mend: `modprobe ${family === 'ipv4' ? 'fou' : 'fou6'} && ip fou add port ${tunnel?.port} gue${family === 'ipv4' ? '' : ' -6'}`,
      }),
    );
  }
  if (findings.size > 0) return [...findings.values()];
  return found.size > 0 ? [ok('tunnels', `${[...found].join(', ')} up`)] : [];
}
