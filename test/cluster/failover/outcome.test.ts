import { expect, test } from '@jest/globals';
import { type ConversationReport, flowKey } from './conversation.js';
import { type Observation, outcomeOf } from './outcome.js';

const BEGAN = 10_000;
const TARGET = { address: '10.200.0.1', port: 80 };
const ONE = flowKey({ target: TARGET, port: 1 });

function conversation(port: number, more: Partial<ConversationReport> = {}): ConversationReport {
  return { label: 'talking', target: TARGET, port, opened: 0, sent: 64, received: 64, silences: [], ...more };
}

function observe(more: Partial<Observation['report']>): Observation {
  return {
    report: { conversations: [], requests: 0, troubles: [], ...more },
    began: BEGAN,
    converged: BEGAN + 400,
    moved: new Set([ONE]),
    destinations: new Map([[ONE, '10.2.0.21']]),
  };
}

test('connections are counted by kind: all, those that moved, those that broke', () => {
  const broken = { at: BEGAN + 700, why: 'read ECONNRESET' };
  const conversations = [conversation(1, { broken, server: 'host1-1' }), conversation(2, { label: 'idle' })];
  const { connections, losses, steady } = outcomeOf(observe({ conversations }));
  expect(connections).toEqual({
    talking: { total: 1, moved: 1, broken: 1 },
    idle: { total: 1, moved: 0, broken: 0 },
    young: { total: 0, moved: 0, broken: 0 },
  });
  expect(losses).toEqual([
    { kind: 'talking', why: broken.why, after: 700, destination: '10.2.0.21', server: 'host1-1', moved: true },
  ]);
  expect(steady).toBe(700);
});

test('the longest gap is of a connection that lived, and not over when it happened', () => {
  const before = { from: BEGAN - 900, to: BEGAN - 1 };
  const during = { from: BEGAN - 50, to: BEGAN + 600 };
  const broken = { at: BEGAN + 900, why: 'no answer' };
  const conversations = [
    conversation(1, { silences: [before, during] }),
    conversation(2, { silences: [{ from: BEGAN, to: BEGAN + 800 }], broken }),
  ];
  expect(outcomeOf(observe({ conversations })).longestGap).toBe(650);
});

test('clients are steady once the last long silence, break and slow request is over; the rhythm’s own is none', () => {
  const silences = [
    { from: BEGAN, to: BEGAN + 500 },
    { from: BEGAN + 2000, to: BEGAN + 2150 },
  ];
  const troubles = [{ began: BEGAN + 100, took: 1020 }];
  const { steady, requests } = outcomeOf(observe({ conversations: [conversation(1, { silences })], troubles }));
  expect(steady).toBe(1120);
  expect(requests).toEqual({ total: 0, failed: 0, reasons: [], troubled: 100, slowest: 1020 });
});

test('nothing that anybody noticed is steady from the beginning', () => {
  const quiet = observe({ conversations: [conversation(1)], requests: 20 });
  expect(outcomeOf(quiet)).toMatchObject({
    steady: 0,
    longestGap: 0,
    converged: 400,
    requests: { total: 20, failed: 0 },
  });
});
