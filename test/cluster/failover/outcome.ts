/** From what clients took down to what is said about a failover. Pure. */
import { type ConversationReport, flowKey } from './conversation.js';
import type { CrowdReport } from './crowd.js';

/** Silence that is not of the rhythm any more, on a machine with one slow processor. */
const DISTURBING_MS = 250;

/** By how a connection was at the time: what it proves. */
export const KINDS = ['talking', 'idle', 'young'] as const;

/** `talking`: every 100 ms. `idle`: a handshake, then nothing until it was over. `young`: opened within the last second; every other one talking. */
export type Kind = (typeof KINDS)[number];

export interface Count {
  readonly total: number;
  /** Of them, those of which the router sent anything to another balancer afterwards. */
  readonly moved: number;
  /** Of all: bytes missing, wrong, or without an answer. */
  readonly broken: number;
}

/** A connection that broke. */
export interface Loss {
  readonly kind: string;
  readonly why: string;
  /** Milliseconds from the event on. */
  readonly after: number;
  /** Where the balancers had sent it. */
  readonly destination: string;
  /** The container that had answered, if it said anything. */
  readonly server?: string;
  readonly moved: boolean;
}

/** Times in milliseconds. */
export interface Outcome {
  readonly connections: Readonly<Record<Kind, Count>>;
  /** The longest silence at any connection that talked and lived, the 100 ms between two sayings included. */
  readonly longestGap: number;
  /** From the event on until no client noticed anything any more. */
  readonly steady: number;
  /** From the event on until routers and balancers were as they are to be. */
  readonly converged: number;
  /** Where the event lasted: from its end on until all was in force that should have been meanwhile. */
  readonly caughtUp?: number;
  readonly losses: readonly Loss[];
  readonly requests: {
    readonly total: number;
    readonly failed: number;
    /** Why, each reason once. */
    readonly reasons: readonly string[];
    /** Of those that did not fail, in milliseconds, if it was slow at all. */
    readonly slowest: number;
    /** From the event on until the last one began that failed or was slow. */
    readonly troubled: number;
  };
}

export interface Observation {
  readonly report: CrowdReport;
  /** When it happened, and when all was as it is to be; milliseconds since the epoch. */
  readonly began: number;
  readonly converged: number;
  /** By `flowKey`, those of which the router sent anything to another balancer afterwards. */
  readonly moved: ReadonlySet<string>;
  /** Where the balancers had sent each, by `flowKey`. */
  readonly destinations: ReadonlyMap<string, string>;
}

export function outcomeOf({ report, began, converged, moved, destinations }: Observation): Outcome {
  const { conversations, troubles } = report;
  const hasMoved = (each: ConversationReport) => moved.has(flowKey(each));
  const count = (kind: Kind): Count => {
    const some = conversations.filter(({ label }) => label === kind);
    return {
      total: some.length,
      moved: some.filter(hasMoved).length,
      broken: some.filter(({ broken }) => broken !== undefined).length,
    };
  };
  const living = conversations.filter(({ broken }) => broken === undefined);
  const gaps = living
    .flatMap(({ silences }) => silences)
    .filter(({ to }) => to >= began)
    .map(({ from, to }) => to - from);
  const disturbances = [
    ...conversations.flatMap(({ silences, broken }) => [
      ...silences.filter(({ from, to }) => to - from > DISTURBING_MS).map(({ to }) => to),
      broken?.at ?? began,
    ]),
    ...troubles.map((trouble) => trouble.began + trouble.took),
  ];
  return {
    connections: { talking: count('talking'), idle: count('idle'), young: count('young') },
    longestGap: Math.max(0, ...gaps),
    steady: Math.max(began, ...disturbances) - began,
    converged: converged - began,
    losses: conversations.flatMap((each) => {
      const { label: kind, broken, server } = each;
      if (broken === undefined) return [];
      const { why, at } = broken;
      const destination = destinations.get(flowKey(each)) ?? '';
      const loss = { kind, why, after: at - began, destination, moved: hasMoved(each) };
      return [server === undefined ? loss : { ...loss, server }];
    }),
    requests: {
      total: report.requests,
      failed: troubles.filter(({ error }) => error !== undefined).length,
      reasons: [...new Set(troubles.flatMap(({ error = [] }) => error))],
      troubled: Math.max(began, ...troubles.map((trouble) => trouble.began)) - began,
      slowest: Math.max(0, ...troubles.filter(({ error }) => error === undefined).map(({ took }) => took)),
    },
  };
}

/** Of all kinds. */
export function brokenOf({ connections }: Outcome): number {
  return KINDS.reduce((sum, kind) => sum + connections[kind].broken, 0);
}
