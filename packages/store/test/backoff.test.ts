import { expect, test } from '@jest/globals';
import { Backoff } from '@clusterf/store';

test('it doubles up to its limit, and starts over after a success', () => {
  const backoff = new Backoff({ first: 100, most: 1000, random: () => 1 });
  expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

test('half of it is chance', () => {
  const backoff = new Backoff({ first: 100, most: 1000, random: () => 0 });
  expect([backoff.next(), backoff.next()]).toEqual([50, 100]);
});

test('a thousand failures in a row are no more than the limit', () => {
  const backoff = new Backoff({ random: () => 1 });
  const last = Array.from({ length: 1000 }, () => backoff.next()).at(-1);
  expect(last).toBe(5000);
});
