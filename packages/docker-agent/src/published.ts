import { type Family, parseAddress, type Protocol } from '@clusterf/model';
import type { ContainerState, PublishedPort } from './container.js';
import type { Findings } from './findings.js';
import type { HostAddresses } from './host-addresses.js';
import { PROTOCOLS, type RequestedPorts } from './backend-labels.js';
import type { Endpoint } from './address.js';

type Ports = Pick<Endpoint, Protocol>;

/** An address of the host and what of the service is open on it. */
interface Opening {
  readonly address: string;
  /** The address that the host goes by, as opposed to one that a binding names. */
  readonly own: boolean;
  readonly ports: Ports;
}

const UNSPECIFIED: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' };

/**
 * Where the host forwards to these ports of the container. For each family the address that most of them are open on;
 * among equals the host's own, else the numerically smallest; of several ports the smallest. So the choice depends on
 * the bindings alone, not on the order in which Docker tells them.
 *
 * A backend has one port for a protocol whatever the family: where those differ, IPv4 counts.
 */
export function publishedEndpoint(
  container: ContainerState,
  wanted: RequestedPorts,
  host: HostAddresses,
  findings: Findings,
): Endpoint | undefined {
  const bindings = container.published.filter(({ protocol, port }) => wanted[protocol]?.value === port);
  const ipv4 = bestOpening('ipv4', bindings, host);
  const ipv6 = bestOpening('ipv6', bindings, host);
  const ports = (ipv4 ?? ipv6)?.ports ?? {};

  for (const protocol of PROTOCOLS) {
    const asked = wanted[protocol];
    if (asked === undefined) continue;
    const port = ports[protocol];
    if (port === undefined) {
      const why = whyNot(
        bindings.filter((binding) => binding.protocol === protocol),
        ipv4 ?? ipv6,
      );
      findings.problem('backend.publish', `port ${asked.value}/${protocol} ${why}`);
    } else {
      findings.fact(`published ${protocol}`, port, `the host's port for ${asked.value}/${protocol}`);
    }
  }
  if (ipv4 === undefined && ipv6 === undefined) {
    return findings.refuse('none of its ports can be reached at the host');
  }
  const agree = ipv4 === undefined || ipv6 === undefined || samePorts(ipv4.ports, ipv6.ports);
  if (!agree) {
    findings.problem(
      'backend.publish',
      `the host's ports are ${describe(ipv4.ports)} for IPv4 and ${describe(ipv6.ports)} for IPv6; expected the same: registered for IPv4 only`,
    );
  }
  return { ...address('ipv4', ipv4, findings), ...(agree ? address('ipv6', ipv6, findings) : {}), ...ports };
}

function address(family: Family, opening: Opening | undefined, findings: Findings): Endpoint {
  if (opening === undefined) return {};
  findings.fact(
    family,
    opening.address,
    opening.own ? "the host's own address" : 'the only address it is published on',
  );
  return { [family]: opening.address };
}

function bestOpening(family: Family, bindings: readonly PublishedPort[], host: HostAddresses): Opening | undefined {
  const byAddress = new Map<string, { own: boolean; ports: Record<string, number> }>();
  for (const { protocol, hostIp, hostPort } of bindings) {
    const at = hostAddress(family, hostIp, host);
    if (at === undefined) continue;
    const opening = byAddress.get(at) ?? { own: at === host[family]?.value, ports: {} };
    opening.ports[protocol] = Math.min(hostPort, opening.ports[protocol] ?? hostPort);
    byAddress.set(at, opening);
  }
  const openings = [...byAddress].map(([at, { own, ports }]): Opening => ({ address: at, own, ports }));
  return openings.toSorted(
    (a, b) =>
      Object.keys(b.ports).length - Object.keys(a.ports).length ||
      Number(b.own) - Number(a.own) ||
      (bits(a.address) < bits(b.address) ? -1 : 1),
  )[0];
}

/** The address that others reach a binding at; undefined if it is of the other family, or of nobody but the host. */
function hostAddress(family: Family, hostIp: string, host: HostAddresses): string | undefined {
  if (hostIp === '' || hostIp === UNSPECIFIED[family]) return host[family]?.value;
  const parsed = parseAddress(hostIp, family);
  return parsed.ok && !isUnspecified(hostIp) && !isLoopback(hostIp) ? parsed.value.text : undefined;
}

function whyNot(bindings: readonly PublishedPort[], opening: Opening | undefined): string {
  if (bindings.length === 0) return 'is not published; expected it to be, as by docker run --publish';
  const places = bindings.map(({ hostIp, hostPort }) => `${hostIp || '*'} port ${hostPort}`).join(', ');
  if (bindings.every(({ hostIp }) => isLoopback(hostIp))) {
    return `is published on ${places} only, which no other machine reaches; expected an address of the host`;
  }
  return opening === undefined
    ? `is published on ${places}, and the host's address is not known; expected --host-address, or a default route`
    : `is published on ${places}, but not on ${opening.address} like others of the service; expected one address for all`;
}

function isUnspecified(text: string): boolean {
  return text === UNSPECIFIED.ipv4 || text === UNSPECIFIED.ipv6;
}

function isLoopback(text: string): boolean {
  return text === '::1' || text.startsWith('127.');
}

function bits(text: string): bigint {
  const parsed = parseAddress(text);
  return parsed.ok ? parsed.value.bits : 0n;
}

function samePorts(a: Ports, b: Ports): boolean {
  return PROTOCOLS.every((protocol) => a[protocol] === b[protocol]);
}

function describe(ports: Ports): string {
  return PROTOCOLS.flatMap((protocol) =>
    ports[protocol] === undefined ? [] : [`${ports[protocol]}/${protocol}`],
  ).join(', ');
}
