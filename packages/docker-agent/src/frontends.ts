/** Which frontends this host's containers ask for, and which of them it publishes. */
import { encodeFrontend, frontendKey } from '@clusterf/model';
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
  const winners = new Map<string, FrontendRequest>();
  for (const request of requests) {
    if (refusalOf(request, allowed) !== undefined) continue;
    const winner = winners.get(request.service);
    if (winner === undefined || isBefore(request, winner)) winners.set(request.service, request);
  }
  return requests.map((request) => decide(request, winners.get(request.service), allowed));
}

function decide(
  request: FrontendRequest,
  winner: FrontendRequest | undefined,
  allowed: readonly AllowedFrontend[],
): FrontendDecision {
  const { requested } = request;
  const { facts } = requested;
  const key = frontendKey(request.service);
  const refusal = refusalOf(request, allowed);
  if (refusal !== undefined) return { key, refusal, facts, problems: [{ label: 'frontend', message: refusal }] };
  const value = encodeFrontend(requested.frontend);
  const published = encodeFrontend((winner ?? request).requested.frontend);
  if (published === value) return { key, value, facts, problems: [] };
  const other = `${published}, which ${winner?.container.name ?? ''} asks for and was created first`;
  const message = `the frontend is ${other}; not ${value}`;
  return { key, refusal: message, facts, problems: [{ label: 'frontend', message }] };
}

/** A frontend is published whole or not at all: part of it would be a service that nobody described. */
function refusalOf({ requested }: FrontendRequest, allowed: readonly AllowedFrontend[]): string | undefined {
  const forbidden = outside(requested.frontend, allowed);
  if (forbidden.length === 0) return undefined;
  const ranges = allowed.map(({ text }) => text).join(', ') || 'nothing';
  return `the frontend is not published, since ${forbidden.join(' and ')} is outside of what --allow-frontend allows: ${ranges}`;
}

function isBefore(a: FrontendRequest, b: FrontendRequest): boolean {
  const [x, y] = [a.container, b.container];
  return x.createdAt === y.createdAt ? x.id < y.id : x.createdAt < y.createdAt;
}
