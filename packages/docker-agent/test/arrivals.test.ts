import { describe, expect, test } from '@jest/globals';
import { Arrivals } from '../src/arrivals.js';

const KEY = 'services/web/backends/c1';
const NONE = new Map<string, string>();
const HERE = new Map([[KEY, '{}']]);

/** An event of c1 that arrived at that time and has been asked about. */
function known(arrivals: Arrivals, now: number): void {
  arrivals.heard('c1', now);
  const arrival = arrivals.asked('c1');
  if (arrival !== undefined) arrivals.known('c1', arrival);
}

describe('from an event to etcd', () => {
  test('a container that starts is followed to its key, once', () => {
    const arrivals = new Arrivals();
    known(arrivals, 5);
    arrivals.told(NONE, HERE);
    expect(arrivals.written(KEY)).toBe(5);
    expect(arrivals.written(KEY)).toBeUndefined();
  });

  test('one that goes is followed to the removal of its key', () => {
    const arrivals = new Arrivals();
    known(arrivals, 5);
    arrivals.told(HERE, NONE);
    expect(arrivals.written(KEY)).toBe(5);
  });

  test('of several events before an answer the first counts', () => {
    const arrivals = new Arrivals();
    arrivals.heard('c1', 5);
    known(arrivals, 7);
    arrivals.known('c1', 6);
    arrivals.told(NONE, HERE);
    expect(arrivals.written(KEY)).toBe(5);
  });

  test('an event of which nothing comes does not age until something does', () => {
    const arrivals = new Arrivals();
    known(arrivals, 5);
    arrivals.told(HERE, HERE);
    known(arrivals, 100);
    arrivals.told(HERE, NONE);
    expect(arrivals.written(KEY)).toBe(100);
  });

  test('what changes without an event, by a listing or an option, has no time', () => {
    const arrivals = new Arrivals();
    arrivals.told(NONE, HERE);
    known(arrivals, 5);
    arrivals.told(HERE, new Map([...HERE, ['routes/r', '{}'], ['services/web/backends/c2', '{}']]));
    expect([KEY, 'routes/r', 'services/web/backends/c2'].map((key) => arrivals.written(key))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('an event heard of before the stream was lost is not waited for', () => {
    const arrivals = new Arrivals();
    arrivals.heard('c1', 5);
    arrivals.lost();
    expect(arrivals.asked('c1')).toBeUndefined();
  });
});
