import { expect, test } from '@jest/globals';
import { TreeEvents } from '../../src/tree/tree-events.js';

const snapshot = (entries: Readonly<Record<string, string>>) =>
  ({ type: 'snapshot', entries: new Map(Object.entries(entries)) }) as const;
const changes = (entries: Readonly<Record<string, string | undefined>>) =>
  ({ type: 'changes', changes: new Map(Object.entries(entries)) }) as const;

test('what is there at the start is no event, unless it is asked for', () => {
  expect(new TreeEvents().take(snapshot({ sync: '1' }))).toEqual([]);
  expect(new TreeEvents().take(snapshot({ sync: '1' }), true)).toEqual([{ type: 'put', path: 'sync', value: '1' }]);
});

test('a change is an event for each entry; what was not there is not removed', () => {
  const events = new TreeEvents();
  events.take(snapshot({ 'routes/a': '1' }));
  expect(events.take(changes({ 'routes/a': undefined, 'routes/b': '2', 'routes/c': undefined }))).toEqual([
    { type: 'removed', path: 'routes/a' },
    { type: 'put', path: 'routes/b', value: '2' },
  ]);
});

test('after an outage only what differs is told', () => {
  const events = new TreeEvents();
  events.take(snapshot({ 'routes/a': '1', 'routes/b': '2', 'routes/c': '3' }));
  expect(events.take({ type: 'unavailable', error: new Error('away') })).toEqual([]);
  expect(events.take(snapshot({ 'routes/a': '1', 'routes/b': '0', 'routes/d': '4' }))).toEqual([
    { type: 'removed', path: 'routes/c' },
    { type: 'put', path: 'routes/b', value: '0' },
    { type: 'put', path: 'routes/d', value: '4' },
  ]);
});
