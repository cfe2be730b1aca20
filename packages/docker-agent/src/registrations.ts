import { backendKey, encodeBackend, type Problem } from '@clusterf/model';
import type { Attachment, ContainerState, DockerView } from './container.js';
import { requestedBackends, type RequestedBackend } from './labels.js';
import { routes, type RouteOptions } from './routes.js';

export interface RegistrationOptions extends RouteOptions {
  /** Network preferred where labels name none. */
  readonly network: string | undefined;
  /** Register only ports that the image exposes or the container publishes, as the original program did. */
  readonly requireExposed: boolean;
}

export interface Registered {
  /** By path relative to the prefix; values as they are written. */
  readonly entries: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

type Report = (label: string, message: string) => void;

/** Everything this host should have in the tree, computed anew from everything that is known. */
export function registrations(view: DockerView, options: RegistrationOptions): Registered {
  const problems: Problem[] = [];
  const entries = new Map<string, string>();
  for (const container of view.containers) {
    const report: Report = (label, message) => {
      problems.push({ source: 'docker', key: `${container.name} ${label}`, message });
    };
    const { backends, problems: labelProblems } = requestedBackends(container.labels);
    for (const { label, message } of labelProblems) report(label, message);
    const draining = view.draining.has(container.id);
    for (const backend of backends) {
      const value = register(container, backend, draining, options, report);
      if (value !== undefined) entries.set(backendKey(backend.service, container.id), value);
    }
  }
  const advertised = routes(view.networks, options);
  for (const [key, value] of advertised.entries) entries.set(key, value);
  return { entries, problems: [...problems, ...advertised.problems] };
}

function register(
  container: ContainerState,
  requested: RequestedBackend,
  draining: boolean,
  options: RegistrationOptions,
  report: Report,
): string | undefined {
  const weight = effectiveWeight(container, requested.weight, draining);
  if (weight === undefined) return undefined;

  const ports = requestedPorts(container, requested, options.requireExposed, report);
  if (Object.keys(ports).length === 0) {
    report('service', `${requested.service}: no usable port; expected a label such as clusterf.backend.tcp`);
    return undefined;
  }
  const attachment = chooseAttachment(container, requested, options.network, report);
  if (attachment === undefined) return undefined;
  const { ipv4, ipv6 } = attachment;
  return encodeBackend({
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...ports,
    weight,
    host: options.hostName,
    container: container.name,
  });
}

/** The table of container states: undefined = not registered, 0 = keeps its connections and gets no new ones. */
export function effectiveWeight(
  { status, health }: Pick<ContainerState, 'status' | 'health'>,
  labelled: number,
  draining: boolean,
): number | undefined {
  if (status === 'paused') return 0;
  if (status !== 'running') return undefined;
  return !draining && (health === 'none' || health === 'healthy') ? labelled : 0;
}

type Ports = Pick<RequestedBackend, 'tcp' | 'udp' | 'sctp'>;

function requestedPorts(
  container: ContainerState,
  { service, tcp, udp, sctp }: RequestedBackend,
  requireExposed: boolean,
  report: Report,
): Ports {
  const usable = (protocol: keyof Ports, port: number | undefined): Ports => {
    if (port === undefined) return {};
    if (!requireExposed || container.exposed.includes(`${port}/${protocol}`)) return { [protocol]: port };
    report(
      'service',
      `${service}: port ${port}/${protocol} is neither exposed nor published, which --require-exposed asks for`,
    );
    return {};
  };
  return { ...usable('tcp', tcp), ...usable('udp', udp), ...usable('sctp', sctp) };
}

/**
 * Which of the container's networks to register: the one its label names, else `--network` if it is on that,
 * else its only one, else the one whose name sorts first, since that does not change from restart to restart
 * (Docker promises no order).
 */
function chooseAttachment(
  { networkMode, attachments }: ContainerState,
  { service, network }: RequestedBackend,
  preferred: string | undefined,
  report: Report,
): Attachment | undefined {
  const addressed = attachments
    .filter(({ ipv4, ipv6 }) => ipv4 !== undefined || ipv6 !== undefined)
    .toSorted((a, b) => (a.network < b.network ? -1 : 1));
  const names = addressed.map((attachment) => attachment.network).join(', ') || 'none';

  if (network !== undefined) {
    const labelled = addressed.find((attachment) => attachment.network === network);
    if (labelled === undefined) {
      const message = `${service}: the container has no address on ${JSON.stringify(network)}; expected one of: ${names}`;
      report('backend.network', message);
    }
    return labelled;
  }
  const [first, second] = addressed;
  if (first === undefined) {
    report('service', `${service}: ${noAddress(networkMode)}`);
    return undefined;
  }
  const chosen = addressed.find((attachment) => attachment.network === preferred);
  if (chosen === undefined && second !== undefined) {
    const message = `${service}: registered on ${first.network}, the first by name of: ${names}; set this label or --network`;
    report('backend.network', message);
  }
  return chosen ?? first;
}

function noAddress(networkMode: string): string {
  const own = 'expected a container with an address on a Docker network';
  if (networkMode === 'host') return `the container uses the host's network and has no address of its own; ${own}`;
  if (networkMode === 'none') return `the container has no network; ${own}`;
  if (networkMode.startsWith('container:')) return `the container shares another's network; ${own}`;
  return `the container has no address on any network; ${own}`;
}
