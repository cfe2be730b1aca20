/** One server more and one less, as a client sees it that asks all the time. */
import type { Place } from '../../cluster/place.js';
import { Ask, type News } from './ask.js';
import type { Decline, Growth } from './results.js';
import { PORT } from './topology.js';

/** Somebody who balances, with one server at first. */
export interface Contender {
  readonly title: string;
  /** What the client asks. */
  readonly address: string;
  /** All that precedes the command. */
  readonly prepare?: () => Promise<void>;
  /** Gives the command that brings another server; what it takes until it returns does not matter. */
  readonly grow: () => Promise<void>;
  /** Takes one of the two away again, the new one if it has the choice. @returns who left, when it is gone */
  readonly shrink: () => Promise<string>;
  /** Makes all as it was; returns when nothing goes on any more. */
  readonly settle?: () => Promise<void>;
}

export interface Client {
  readonly place: Place;
  /** The program of ask.c. */
  readonly ask: string;
}

export async function measure(client: Client, contender: Contender): Promise<{ growth: Growth; decline: Decline }> {
  await contender.prepare?.();
  const { newcomer, growth } = await measureGrowth(client, contender);
  const decline = await measureDecline(client, contender, newcomer);
  await contender.settle?.();
  return { growth, decline };
}

async function measureGrowth(
  { place, ask }: Client,
  { address, grow }: Contender,
): Promise<{ readonly newcomer: string; readonly growth: Growth }> {
  const asking = new Ask(place, ask, address, PORT);
  const known = await asking.heard('anybody', () => true);
  const began = now();
  const grown = grow();
  // Both at once: whatever goes wrong with the command, nobody else will wait for.
  const [news] = await Promise.all([asking.heard('a new server', (name) => name !== known.name), grown]);
  const { failures } = await asking.end();
  return { newcomer: news.name, growth: { command: news.first - began, ...sinceListening(news, began), failures } };
}

async function measureDecline(
  { place, ask }: Client,
  { address, shrink }: Contender,
  newcomer: string,
): Promise<Decline> {
  const asking = new Ask(place, ask, address, PORT);
  await asking.heard(newcomer, (name) => name === newcomer);
  await asking.heard('another', (name) => name !== newcomer);
  const began = now();
  const leaver = await shrink();
  const { failures, servers } = await asking.end();
  const left = servers.find(({ name }) => name === leaver);
  if (left === undefined) throw new Error(`${leaver} left, but never answered`);
  return { command: Math.max(0, left.last - began), failures };
}

function sinceListening({ since, first }: News, began: number): Pick<Growth, 'listening'> {
  return since > began ? { listening: first - since } : {};
}

/** Milliseconds of the epoch, and parts of them. One machine, one clock. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
