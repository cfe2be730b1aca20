/** Everything this host decides about its containers, with the reasons: registered and explained alike. */
import { type AllowedFrontend } from './allowed-frontends.js';
import { type BackendDecision, type BackendOptions, decideBackend, isLive } from './backends.js';
import type { ContainerState, DockerView } from './container.js';
import { hidesSignals } from './events.js';
import type { LabelProblem } from './findings.js';
import { decideFrontends, type FrontendDecision, type FrontendRequest } from './frontends.js';
import { requestedServices } from './labels.js';
import { type KnownContainers, sharesNetworkOf } from './shared-network.js';

export interface DecisionOptions extends BackendOptions {
  readonly allowFrontend: readonly AllowedFrontend[];
}

export interface ServiceDecision {
  readonly service: string;
  readonly backend: BackendDecision;
  /** Absent = no label asks for one. */
  readonly frontend?: FrontendDecision;
}

export interface ContainerDecision {
  readonly container: ContainerState;
  readonly services: readonly ServiceDecision[];
  /** Of the labels themselves; those of a service are with its decisions. */
  readonly problems: readonly LabelProblem[];
}

const HIDDEN_SIGNALS: LabelProblem = {
  label: 'signal',
  message:
    "docker's kill events show this label instead of the signal that was sent, so the container is not drained before " +
    'it stops; expected a label of another name',
};

/** In the order of the view's containers. */
export function decide(view: Omit<DockerView, 'networks'>, options: DecisionOptions): readonly ContainerDecision[] {
  const known = new Known(view);
  const decisions = view.containers.map((container) =>
    decideBackends(container, view.draining.has(container.id), known, options),
  );
  const requests: FrontendRequest[] = [];
  for (const { container, frontends } of decisions) {
    // What does not run asks for nothing, as it is a backend of nothing.
    if (isLive(container)) requests.push(...frontends);
  }
  if (requests.length === 0) return decisions;

  const decided = decideFrontends(requests, options.allowFrontend);
  const frontends = new Map(
    requests.map(({ container, service }, index) => [`${container.id} ${service}`, decided[index]]),
  );
  return decisions.map(({ container, services, problems }) => ({
    container,
    services: services.map(({ service, backend }) => {
      const frontend = frontends.get(`${container.id} ${service}`);
      return { service, backend, ...(frontend === undefined ? {} : { frontend }) };
    }),
    problems,
  }));
}

/** All that can be decided about a container by itself. */
interface OwnDecision extends ContainerDecision {
  readonly draining: boolean;
  readonly options: DecisionOptions;
  /** That it asks for. */
  readonly frontends: readonly FrontendRequest[];
}

/** Those of a view, by id; few have to be looked up. */
class Known implements KnownContainers {
  readonly #view: Pick<DockerView, 'containers' | 'others'>;
  #byId: ReadonlyMap<string, ContainerState> | undefined;

  constructor(view: Pick<DockerView, 'containers' | 'others'>) {
    this.#view = view;
  }

  get(id: string): ContainerState | undefined {
    const { containers, others } = this.#view;
    this.#byId ??= new Map([...others, ...containers].map((container) => [container.id, container]));
    return this.#byId.get(id);
  }
}

/** Thousands are decided about whenever one changes, and nearly all are as they were. */
const before = new WeakMap<ContainerState, OwnDecision>();

function decideBackends(
  container: ContainerState,
  draining: boolean,
  known: KnownContainers,
  options: DecisionOptions,
): OwnDecision {
  const former = before.get(container);
  if (former?.draining === draining && former.options === options) return former;
  const { services, problems } = requestedServices(container.labels);
  const decision = {
    container,
    draining,
    options,
    services: services.map(({ service, backend }) => ({
      service,
      backend: decideBackend(container, backend, draining, known, options),
    })),
    problems: hidesSignals(container.labels) ? [...problems, HIDDEN_SIGNALS] : problems,
    frontends: services.flatMap(({ service, frontend }) =>
      frontend === undefined ? [] : [{ container, service, requested: frontend }],
    ),
  };
  // Where another container has a say, it may be decided otherwise without a change of this one.
  if (sharesNetworkOf(container) === undefined) before.set(container, decision);
  return decision;
}
