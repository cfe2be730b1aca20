import type { Problem } from '@clusterf/model';
import type { DockerView } from './container.js';
import { type ContainerDecision, decide, type DecisionOptions } from './decisions.js';
import { type RouteOptions, routes } from './routes.js';

export interface RegistrationOptions extends DecisionOptions, RouteOptions {}

export interface Registered {
  /** By path relative to the prefix; values as they are written. */
  readonly entries: ReadonlyMap<string, string>;
  /**
   * Likewise, keys that other hosts may ask for as well, or a person have written: the frontends that labels ask
   * for. One is to be put only where there is none, and to go only if it is ours.
   */
  readonly shared: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** Everything this host should have in the tree, computed anew from everything that is known. */
export function registrations(view: DockerView, options: RegistrationOptions): Registered {
  const entries = new Map<string, string>();
  const shared = new Map<string, string>();
  const problems: Problem[] = [];
  for (const decision of decide(view, options)) {
    addProblems(decision, problems);
    for (const { backend, frontend } of decision.services) {
      if (backend.value !== undefined) entries.set(backend.key, backend.value);
      if (frontend?.value !== undefined) shared.set(frontend.key, frontend.value);
    }
  }
  const advertised = routes(view.networks, options);
  for (const [key, value] of advertised.entries) entries.set(key, value);
  return { entries, shared, problems: [...problems, ...advertised.problems] };
}

function addProblems({ container, services, problems }: ContainerDecision, all: Problem[]): void {
  const add = (label: string, message: string) =>
    all.push({ source: 'docker', key: `${container.name} ${label}`, message });
  for (const { label, message } of problems) add(label, message);
  for (const { service, backend, frontend } of services) {
    for (const { label, message } of backend.problems) add(label, `${service}: ${message}`);
    for (const { label, message } of frontend?.problems ?? []) add(label, `${service}: ${message}`);
  }
}
