import { expect, test } from '@jest/globals';
import { Backoff } from '../src/backoff.js';

test('delays double up to the maximum', () => {
  const backoff = new Backoff({ initial: 100, max: 1_000, random: () => 0 });
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('jitter shortens a delay by half at most', () => {
  expect(new Backoff({ initial: 100, max: 1_000, random: () => 0.999_999 }).next()).toBeCloseTo(50, 3);
});

test('a success starts over', () => {
  const backoff = new Backoff({ initial: 100, max: 1_000, random: () => 0 });
  backoff.next();
  backoff.next();
  expect(backoff.failures).toBe(2);
  backoff.reset();
  expect(backoff.failures).toBe(0);
  expect(backoff.next()).toBe(100);
});

test('a thousand failures do not overflow', () => {
  const backoff = new Backoff({ initial: 100, max: 1_000, random: () => 0 });
  for (let i = 0; i < 5_000; i += 1) backoff.next();
  expect(backoff.next()).toBe(1_000);
});
