import { expect, test } from '@jest/globals';
import { ended, hasEnded, holderOf, judge } from '../src/claim.js';

test.each([
  ['just renewed', 9, 0, 'unclear'],
  ['about to be renewed', 6, 3000, 'unclear'],
  ['late by a renewal', 4, 6000, 'unclear'],
  ['late by two', 3, 7000, 'gone'],
  ['lapsed', -1, 0, 'gone'],
  ['low when first seen', 2, 0, 'gone'],
  ['renewed for as long as it lasts', 7, 11_001, 'living'],
])('a lease of ten seconds that is %s', (_, remaining, observed, verdict) => {
  expect(judge({ granted: 10, remaining }, observed)).toBe(verdict);
});

test('a lease of two seconds, the shortest there is, is low in its last', () => {
  expect(judge({ granted: 2, remaining: 1 }, 2000)).toBe('unclear');
  expect(judge({ granted: 2, remaining: 0 }, 0)).toBe('gone');
  expect(judge({ granted: 2, remaining: 1 }, 3001)).toBe('living');
});

test('a lease of three seconds that is about to be renewed is not taken for dead', () => {
  expect(judge({ granted: 3, remaining: 1 }, 1000)).toBe('unclear');
  expect(judge({ granted: 3, remaining: 0 }, 2000)).toBe('gone');
});

test('a claim says that its run has ended, beside what it said before', () => {
  const value = ended('{"machine":"a","pid":7}', new Date(0));
  expect(JSON.parse(value)).toEqual({ machine: 'a', pid: 7, stopped: '1970-01-01T00:00:00.000Z' });
  expect(hasEnded(value)).toBe(true);
  expect(hasEnded('{"machine":"a","stopped":true}')).toBe(false);
});

test.each([
  ['{"machine":"a","pid":7,"started":"then","version":"1"}', 'machine a, process 7, started then'],
  ['{"machine":{"x":1},"pid":7}', 'process 7'],
  ['[]', 'it does not say who it is'],
  ['not JSON', 'it does not say who it is'],
  ['null', 'it does not say who it is'],
])('the holder of a claim that is %s', (value, who) => {
  expect(holderOf(value)).toBe(who);
  expect(hasEnded(value)).toBe(false);
});
