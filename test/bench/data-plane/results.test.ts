import { expect, test } from '@jest/globals';
import type { Requests } from './measure.js';
import { costOfBalancing, typical, type WayResults } from './results.js';

function measured(machine: readonly number[]): WayResults {
  const runs = machine.map((each): Requests => ({ perSecond: 1e6 / each, p50: 1, p99: 2, machine: each }));
  return { title: 'a way', requests: { kept: runs, new: runs }, bulk: { up: [1], down: [1] } };
}

test('a run in which the machine did something else too, for all alike, does not change what balancing costs', () => {
  const results = new Map([
    ['direct', measured([100, 500, 100])],
    ['masq', measured([110, 510, 111])],
  ] as const);
  expect(costOfBalancing(results, 'masq', 'kept')).toEqual({ median: 10, least: 10, most: 11 });
});

test('one measurement is its own median, least and most', () => {
  expect(typical([3])).toEqual({ median: 3, least: 3, most: 3 });
});
