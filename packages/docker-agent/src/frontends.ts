/** Which frontends this host's containers ask for, and which of them it publishes. */
import { encodeFrontend, type Frontend, frontendKey } from '@clusterf/model';
import { type AllowedFrontend, outside } from './allowed-frontends.js';
import type { ContainerState } from './container.js';
import type { Fact, LabelProblem } from './findings.js';
import type { RequestedFrontend } from './frontend-labels.js';

/** One container's wish for one service. */
export interface FrontendRequest {
  readonly container: Pick<ContainerState, 'id' | 'name' | 'createdAt'>;
  readonly service: string;
  readonly requested: RequestedFrontend;
}

export interface FrontendDecision {
  /** Path in the tree; other hosts may want it too. */
  readonly key: string;
  /** What is published for the service, which is what this container asks for; absent = something else, or nothing. */
  readonly value?: string;
  readonly refusal?: string;
  readonly facts: readonly Fact[];
  readonly problems: readonly LabelProblem[];
}

/**
 * Of containers that ask for different frontends for one service, the one created first has its way: a newcomer
 * cannot take a service's address over or away, and a change comes into force when the last of the old ones goes.
 *
 * @returns the decisions in the order of the requests
 */
export function decideFrontends(
  requests: readonly FrontendRequest[],
  allowed: readonly AllowedFrontend[],
): readonly FrontendDecision[] {
  const candidates = requests.map((request): Candidate => {
    const { frontend } = request.requested;
    return { request, value: encodeFrontend(frontend), refusal: refusalOf(frontend, allowed) };
  });
  const winners = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const { service } = candidate.request;
    if (candidate.refusal === undefined && isBefore(candidate, winners.get(service))) winners.set(service, candidate);
  }
  return candidates.map((candidate) => decide(candidate, winners.get(candidate.request.service)));
}

interface Candidate {
  readonly request: FrontendRequest;
  readonly value: string;
  /** Why it is out of the question. */
  readonly refusal: string | undefined;
}

function decide({ request, value, refusal }: Candidate, winner: Candidate | undefined): FrontendDecision {
  const { facts } = request.requested;
  const key = frontendKey(request.service);
  const refuse = (message: string) => ({ key, refusal: message, facts, problems: [{ label: 'frontend', message }] });
  if (refusal !== undefined) return refuse(refusal);
  if (winner === undefined || winner.value === value) return { key, value, facts, problems: [] };
  const { name } = winner.request.container;
  return refuse(`the frontend is ${winner.value}, which ${name} asks for and was created first; not ${value}`);
}

/** A frontend is published whole or not at all: part of it would be a service that nobody described. */
function refusalOf(frontend: Frontend, allowed: readonly AllowedFrontend[]): string | undefined {
  const forbidden = outside(frontend, allowed);
  if (forbidden.length === 0) return undefined;
  const ranges = allowed.map(({ text }) => text).join(', ') || 'nothing';
  return `the frontend is not published, since ${forbidden.join(' and ')} is outside of what --allow-frontend allows: ${ranges}`;
}

function isBefore(a: Candidate, b: Candidate | undefined): boolean {
  if (b === undefined) return true;
  const [x, y] = [a.request.container, b.request.container];
  return x.createdAt === y.createdAt ? x.id < y.id : x.createdAt < y.createdAt;
}
