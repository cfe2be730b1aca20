import { type Backend, backendKey, encodeBackend } from '@clusterf/model';
import { type AddressOptions, locate } from './address.js';
import { PROTOCOLS, type RequestedBackend, type RequestedPorts } from './backend-labels.js';
import type { ContainerState } from './container.js';
import { type Fact, Findings, type LabelProblem } from './findings.js';
import { type KnownContainers, networkOwner } from './shared-network.js';

export interface BackendOptions extends AddressOptions {
  readonly hostName: string;
  /** Register only ports that the image exposes or the container publishes, as the original program did. */
  readonly requireExposed: boolean;
}

/** Whether a container is a backend of one service, and why. */
export interface BackendDecision {
  /** Path in the tree. */
  readonly key: string;
  /** What is registered, as it is written; absent = nothing. */
  readonly value?: string;
  /** Why nothing is. */
  readonly refusal?: string;
  /** In the order in which they were looked at. */
  readonly facts: readonly Fact[];
  readonly problems: readonly LabelProblem[];
}

/** @param draining whether it has been told to stop */
export function decideBackend(
  container: ContainerState,
  requested: RequestedBackend,
  draining: boolean,
  known: KnownContainers,
  options: BackendOptions,
): BackendDecision {
  const findings = new Findings();
  const backend = backendOf(container, requested, draining, known, options, findings);
  const { facts, problems, refusal } = findings;
  return {
    key: backendKey(requested.service, container.id),
    ...(backend === undefined ? { refusal: refusal ?? '' } : { value: encodeBackend(backend) }),
    facts,
    problems,
  };
}

function backendOf(
  container: ContainerState,
  requested: RequestedBackend,
  draining: boolean,
  known: KnownContainers,
  options: BackendOptions,
  findings: Findings,
): Backend | undefined {
  const weight = noteWeight(container, requested, draining, findings);
  if (weight === undefined) {
    return findings.refuse(`the container is ${container.status}; only what is running or paused is registered`);
  }
  const owner = networkOwner(container, known);
  if (!owner.ok) return findings.refuse(owner.message, 'service');
  if (owner.value !== container) findings.fact('network of', owner.value.name, 'the container was created on it');

  const ports = usablePorts([container, owner.value], requested, options.requireExposed, findings);
  if (Object.keys(ports).length === 0) {
    return findings.refuse('no usable port; expected a label such as clusterf.backend.tcp', 'service');
  }
  const endpoint = locate(owner.value, requested, ports, options, findings);
  return endpoint && { ...endpoint, weight, host: options.hostName, container: container.name };
}

/** The table of container states: undefined = not registered, 0 = keeps its connections and gets no new ones. */
export function effectiveWeight(
  container: Pick<ContainerState, 'status' | 'health'>,
  labelled: number,
  draining: boolean,
): number | undefined {
  if (!isLive(container)) return undefined;
  return hindrance(container, draining) === undefined ? labelled : 0;
}

export function isLive({ status }: Pick<ContainerState, 'status'>): boolean {
  return status === 'running' || status === 'paused' || status === 'stopping';
}

/** Why a container takes no new connections for now. */
function hindrance(
  { status, health }: Pick<ContainerState, 'status' | 'health'>,
  draining: boolean,
): string | undefined {
  if (status === 'paused' || status === 'stopping') return `while ${status}`;
  if (draining) return 'told to stop';
  return health === 'starting' || health === 'unhealthy' ? `while ${health}` : undefined;
}

function noteWeight(
  container: ContainerState,
  { weight }: RequestedBackend,
  draining: boolean,
  findings: Findings,
): number | undefined {
  const { status, health } = container;
  findings.fact('state', status, 'Docker');
  findings.fact('health', health, health === 'none' ? 'no HEALTHCHECK' : 'its HEALTHCHECK');
  const effective = effectiveWeight(container, weight.value, draining);
  const because = hindrance(container, draining);
  const otherwise = `${weight.value} by ${weight.from}`;
  if (effective !== undefined) {
    findings.fact('weight', effective, because === undefined ? weight.from : `${because}; otherwise ${otherwise}`);
  }
  return effective;
}

/** @param sharing the container and the one whose network it uses: that one publishes for both */
function usablePorts(
  sharing: readonly ContainerState[],
  { ports }: RequestedBackend,
  requireExposed: boolean,
  findings: Findings,
): RequestedPorts {
  const usable = PROTOCOLS.flatMap((protocol) => {
    const port = ports[protocol];
    if (port === undefined) return [];
    const exposed = `${port.value}/${protocol}`;
    if (requireExposed && !sharing.some((container) => container.exposed.includes(exposed))) {
      const message = `port ${exposed} is neither exposed nor published, which --require-exposed asks for`;
      findings.problem('service', message);
      return [];
    }
    findings.fact(protocol, port.value, port.from);
    return [[protocol, port] as const];
  });
  return Object.fromEntries(usable);
}
