/** Where a container is reached: which network's address, or the host's. docs/labels.md tells the rules. */
import { type Backend, type Family, type Protocol, quote } from '@clusterf/model';
import type { RequestedBackend, RequestedPorts } from './backend-labels.js';
import type { Attachment, ContainerState } from './container.js';
import type { Findings } from './findings.js';
import type { HostAddresses } from './host-addresses.js';
import { publishedEndpoint } from './published.js';

export interface AddressOptions {
  /** Network preferred where labels name none: `--network`. */
  readonly network: string | undefined;
  readonly hostAddresses: HostAddresses;
}

export type Endpoint = Pick<Backend, Family | Protocol>;

/** Swarm's own network for its routing mesh: nothing but the mesh reaches a container there. */
const INGRESS = 'ingress';

/**
 * @param owner the container whose network counts: itself, or the one whose network it uses
 * @param ports the container's ports that may be registered, at least one
 */
export function locate(
  owner: ContainerState,
  requested: RequestedBackend,
  ports: RequestedPorts,
  { network, hostAddresses }: AddressOptions,
  findings: Findings,
): Endpoint | undefined {
  const { publish } = requested;
  if (publish.value === undefined) {
    return findings.refuse(`${publish.from} does not say whether the published port is meant`);
  }
  // On the host's own network, its ports are the host's without being published.
  if (publish.value && owner.networkMode !== 'host') {
    findings.fact('publish', true, publish.from);
    return publishedEndpoint(owner, ports, hostAddresses, findings);
  }
  const attachment = chooseAttachment(owner, requested, network, hostAddresses, findings);
  if (attachment === undefined) return undefined;
  const { ipv4, ipv6 } = attachment;
  const from = (family: Family) =>
    owner.networkMode === 'host' ? (hostAddresses[family]?.from ?? '') : `network ${attachment.network}`;
  if (ipv4 !== undefined) findings.fact('ipv4', ipv4, from('ipv4'));
  if (ipv6 !== undefined) findings.fact('ipv6', ipv6, from('ipv6'));
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }), ...numbers(ports) };
}

function numbers({ tcp, udp, sctp }: RequestedPorts): Endpoint {
  return {
    ...(tcp === undefined ? {} : { tcp: tcp.value }),
    ...(udp === undefined ? {} : { udp: udp.value }),
    ...(sctp === undefined ? {} : { sctp: sctp.value }),
  };
}

/**
 * Which of the container's networks to register: the one its label names, else `--network` if it is on that, else its
 * only one, else the one it was created on, else the one whose name sorts first. None of that changes when the
 * container restarts or joins another network, and nothing depends on an order, of which Docker promises none.
 */
function chooseAttachment(
  owner: ContainerState,
  { network }: RequestedBackend,
  preferred: string | undefined,
  host: HostAddresses,
  findings: Findings,
): Attachment | undefined {
  const addressed = addressedAttachments(owner, host);
  const names = addressed.map((attachment) => attachment.network).join(', ') || 'none';

  if (network !== undefined) {
    const labelled = addressed.find((attachment) => attachment.network === network.value);
    if (labelled === undefined) {
      const message = `the container has no address on ${quote(network.value)}; expected one of: ${names}`;
      return findings.refuse(message, network.from);
    }
    findings.fact('network', network.value, network.from);
    return labelled;
  }
  const [first, second] = addressed;
  if (first === undefined) return findings.refuse(noAddress(owner.networkMode), 'service');
  const chosen = addressed.find((attachment) => attachment.network === preferred);
  if (chosen !== undefined || second === undefined) {
    findings.fact('network', (chosen ?? first).network, chosen === undefined ? 'the only one' : '--network');
    return chosen ?? first;
  }
  const createdOn = owner.networkMode === 'default' ? 'bridge' : owner.networkMode;
  const original = addressed.find((attachment) => attachment.network === createdOn);
  const rule = original === undefined ? 'the first by name' : 'the one it was created on';
  const taken = original ?? first;
  findings.fact('network', taken.network, rule);
  findings.problem(
    'backend.network',
    `registered on ${taken.network}, ${rule}, of: ${names}; expected this label or --network to say which`,
  );
  return taken;
}

/** In the order of preference; those without an address, of `none` or of a driver that gives a MAC only, are left out. */
function addressedAttachments({ networkMode, attachments }: ContainerState, host: HostAddresses): Attachment[] {
  const all = networkMode === 'host' ? [hostAttachment(host)] : attachments;
  return all
    .filter(({ ipv4, ipv6 }) => ipv4 !== undefined || ipv6 !== undefined)
    .toSorted(
      (a, b) => Number(a.network === INGRESS) - Number(b.network === INGRESS) || (a.network < b.network ? -1 : 1),
    );
}

function hostAttachment({ ipv4, ipv6 }: HostAddresses): Attachment {
  return {
    network: 'host',
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.value }),
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.value }),
  };
}

function noAddress(networkMode: string): string {
  if (networkMode === 'host') {
    return "the container uses the host's network, and the host's address is not known; expected --host-address, or a default route";
  }
  const own = 'expected one with an address on a Docker network';
  return networkMode === 'none' ? `the container has no network; ${own}` : `the container has no address; ${own}`;
}
