/** Everything this host decides about its containers, with the reasons: registered and explained alike. */
import { type AllowedFrontend } from './allowed-frontends.js';
import { type BackendDecision, type BackendOptions, decideBackend, isLive } from './backends.js';
import type { ContainerState, DockerView } from './container.js';
import { hidesSignals } from './events.js';
import type { LabelProblem } from './findings.js';
import { decideFrontends, type FrontendDecision, type FrontendRequest } from './frontends.js';
import { requestedServices } from './labels.js';

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
  const known = new Map([...view.others, ...view.containers].map((container) => [container.id, container]));
  const asked = view.containers.map((container) => ({ container, ...requestedServices(container.labels) }));

  const requests = asked.flatMap(({ container, services }) =>
    services.flatMap(({ service, frontend }): FrontendRequest[] =>
      // What does not run asks for nothing, as it is a backend of nothing.
      frontend === undefined || !isLive(container) ? [] : [{ container, service, requested: frontend }],
    ),
  );
  const decided = decideFrontends(requests, options.allowFrontend);
  const frontends = new Map(
    requests.map(({ container, service }, index) => [`${container.id} ${service}`, decided[index]]),
  );

  return asked.map(({ container, services, problems }) => ({
    container,
    services: services.map(({ service, backend }) => {
      const frontend = frontends.get(`${container.id} ${service}`);
      return {
        service,
        backend: decideBackend(container, backend, view.draining.has(container.id), known, options),
        ...(frontend === undefined ? {} : { frontend }),
      };
    }),
    problems: hidesSignals(container.labels) ? [...problems, HIDDEN_SIGNALS] : problems,
  }));
}
