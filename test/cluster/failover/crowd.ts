/**
 * Many clients at once, in a network namespace of their own: long connections and short ones. Does what each line of
 * standard input asks for (JSON, a {@link CrowdRequest}) and answers with a line (JSON, a {@link CrowdAnswer}). Ends
 * when standard input does.
 */
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../client.js';
import { Conversation, type ConversationReport } from './conversation.js';

export interface OpenRequest {
  /** What to call them in the report. */
  readonly label: string;
  readonly count: number;
  /** Whether they talk as soon as they are open. */
  readonly talks: boolean;
  /** Time from the first to the last, in milliseconds. */
  readonly over: number;
}

export type CrowdRequest = { readonly id: number } & (
  | ({ readonly what: 'open'; readonly targets: readonly Target[] } & OpenRequest)
  /** Short connections, one every so many milliseconds. */
  | { readonly what: 'request'; readonly targets: readonly Target[]; readonly interval: number }
  /** All that have not talked so far begin to. */
  | { readonly what: 'speak' }
  /** All are hushed, waited for (at most so many milliseconds) and ended. Answers with a report. */
  | { readonly what: 'settle'; readonly within: number }
);

/** A short connection that failed, or took its time. */
export interface Trouble {
  /** Milliseconds since the epoch. */
  readonly began: number;
  readonly took: number;
  readonly error?: string;
}

export interface CrowdReport {
  readonly conversations: readonly ConversationReport[];
  readonly requests: number;
  readonly troubles: readonly Trouble[];
}

export type CrowdResult = { readonly report: CrowdReport } | { readonly done: true };

export type CrowdAnswer = { readonly id: number } & (CrowdResult | { readonly error: string });

const REQUEST_TIMEOUT_MS = 5000;
/** From here on a request took its time; the kernel repeats a lost SYN after a second. */
const SLOW_MS = 500;
const POLL_MS = 20;

const conversations: Conversation[] = [];
const pending = new Set<Promise<void>>();
let requests = 0;
let troubles: Trouble[] = [];
let repeat: NodeJS.Timeout | undefined;

async function open({ label, count, talks, over, targets }: CrowdRequest & { what: 'open' }): Promise<void> {
  const opening = Array.from({ length: count }, async (_, index) => {
    await delay((over * index) / count);
    const conversation = await Conversation.open(label, nth(targets, index));
    conversations.push(conversation);
    if (talks) conversation.speak();
  });
  await Promise.all(opening);
}

function startRequests(targets: readonly Target[], interval: number): void {
  repeat = setInterval(() => {
    const asking = ask(nth(targets, requests)).finally(() => pending.delete(asking));
    requests += 1;
    pending.add(asking);
  }, interval);
}

async function ask({ address: host, port }: Target): Promise<void> {
  const began = Date.now();
  const error = await new Promise<string | undefined>((resolve) => {
    const asked = get({ host, port, agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      response.resume().once('end', () => resolve(undefined));
      response.once('error', (cause) => resolve(cause.message));
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${REQUEST_TIMEOUT_MS} ms`)));
    asked.once('error', (cause) => resolve(cause.message));
  });
  const took = Date.now() - began;
  if (error !== undefined || took > SLOW_MS) troubles.push({ began, took, ...(error === undefined ? {} : { error }) });
}

async function settle(within: number): Promise<CrowdReport> {
  clearInterval(repeat);
  const end = Date.now() + within;
  for (const conversation of conversations) conversation.hush();
  while (Date.now() < end && !conversations.every(({ isSettled }) => isSettled)) await delay(POLL_MS);
  for (const conversation of conversations) conversation.end();
  await Promise.all(pending);
  const report = { conversations: conversations.map((each) => each.report()), requests, troubles };
  conversations.length = 0;
  requests = 0;
  troubles = [];
  return report;
}

async function answer(request: CrowdRequest): Promise<CrowdResult> {
  switch (request.what) {
    case 'open':
      await open(request);
      return { done: true };
    case 'request':
      startRequests(request.targets, request.interval);
      return { done: true };
    case 'speak':
      for (const conversation of conversations) conversation.speak();
      return { done: true };
    case 'settle':
      return { report: await settle(request.within) };
  }
}

function nth<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new RangeError('there is nothing to choose from');
  return item;
}

function say(answered: CrowdAnswer): void {
  process.stdout.write(`${JSON.stringify(answered)}\n`);
}

for await (const line of createInterface(process.stdin)) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see crowd-process.ts
  const request = JSON.parse(line) as CrowdRequest;
  answer(request).then(
    (result) => say({ id: request.id, ...result }),
    (error: unknown) => say({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
  );
}
process.exit(0);
