import { formatDuration } from '@clusterf/daemon';
import type { DockerView } from './container.js';
import { decide, type DecisionOptions } from './decisions.js';
import type { Fact, LabelProblem } from './findings.js';

/** One thing that a service could have of a container, and why it has or has not. */
export interface Explained {
  /** Path in the tree. */
  readonly key: string;
  /** As it is registered, JSON; absent = it is not. */
  readonly value?: string;
  /** Why it is not. */
  readonly refusal?: string;
  readonly facts: readonly Fact[];
  readonly problems: readonly LabelProblem[];
}

/** For one container, service by service, why it is or is not a backend. */
export interface Explanation {
  readonly id: string;
  readonly name: string;
  readonly services: readonly {
    readonly service: string;
    readonly backend: Explained;
    /** Absent = no label asks for one. */
    readonly frontend?: Explained;
  }[];
  /** Labels that cannot be read. */
  readonly problems: readonly LabelProblem[];
}

/**
 * By the same decisions that are registered.
 *
 * @param view the container, the others whose network it uses, and those that ask for frontends of its services
 * @returns undefined if the container is not in the view
 */
export function explain(
  id: string,
  view: Omit<DockerView, 'networks'>,
  options: DecisionOptions,
): Explanation | undefined {
  const decision = decide(view, options).find(({ container }) => container.id === id);
  if (decision === undefined) return undefined;
  const { container, services, problems } = decision;
  return { id: container.id, name: container.name, services, problems };
}

/**
 * The same, of a container that runs but not for long enough: all that it would be it is not yet.
 *
 * @param uptime milliseconds, as is the minimum
 */
export function tooYoung(explanation: Explanation, uptime: number, minimum: number): Explanation {
  const seconds = formatDuration(uptime - (uptime % 1_000));
  const why = `it has run for ${seconds} since its last start; expected --min-uptime, ${formatDuration(minimum)}`;
  const refused = ({ key, refusal, facts, problems }: Explained): Explained => {
    return { key, refusal: refusal ?? why, facts, problems };
  };
  const services = explanation.services.map(({ service, backend, frontend }) => ({
    service,
    backend: refused(backend),
    ...(frontend === undefined ? {} : { frontend: refused(frontend) }),
  }));
  return { ...explanation, services };
}
