import { describe, expect, test } from '@jest/globals';
import { array, assert, constantFrom, integer, property, record, shuffledSubarray } from 'fast-check';
import type { DockerEvent } from '../src/container.js';
import { hidesSignals, Kills, triggerOf } from '../src/events.js';

const TERM = 15;
const KILL = 9;
const labels = { 'clusterf.service': 'web', image: 'busybox', name: 'web-1' };
const nobody = () => false;

function containerEvent(action: string, more: Partial<Extract<DockerEvent, { type: 'container' }>> = {}): DockerEvent {
  return { type: 'container', action, id: 'c1', labels, time: 1, ...more };
}

describe('what an event causes', () => {
  test.each(['start', 'die', 'stop', 'pause', 'unpause', 'destroy', 'rename', 'update', 'health_status: healthy'])(
    '%s: an inspect',
    (action) => {
      expect(triggerOf(containerEvent(action), nobody)).toEqual({ type: 'inspect', id: 'c1' });
    },
  );

  test('kill: no question, the signal says all', () => {
    expect(triggerOf(containerEvent('kill', { signal: TERM }), nobody)).toEqual({
      type: 'kill',
      id: 'c1',
      signal: TERM,
      time: 1,
    });
  });

  test('kill without its signal, as Podman tells it: an inspect', () => {
    expect(triggerOf(containerEvent('kill'), nobody)).toEqual({ type: 'inspect', id: 'c1' });
  });

  test('create: nothing, for it does not run', () => {
    expect(triggerOf(containerEvent('create'), nobody)).toBeUndefined();
  });

  test('anything about a container whose network one of ours uses: an inspect', () => {
    const event = containerEvent('die', { labels: { name: 'x' } });
    expect(triggerOf(event, (id) => id === 'c1')).toEqual({ type: 'inspect', id: 'c1' });
  });

  test('anything about a container without our labels: nothing', () => {
    for (const action of ['start', 'kill', 'die']) {
      expect(triggerOf(containerEvent(action, { labels: { name: 'x' }, signal: TERM }), nobody)).toBeUndefined();
    }
  });

  test('a network joined or left by one of our containers: an inspect; by another: nothing', () => {
    const event = { type: 'network', action: 'connect', time: 1, container: 'c1' } as const;
    expect(triggerOf(event, (id) => id === 'c1')).toEqual({ type: 'inspect', id: 'c1' });
    expect(triggerOf(event, nobody)).toBeUndefined();
  });

  test('a network made or removed: a look at the networks', () => {
    expect(triggerOf({ type: 'network', action: 'create', time: 1 }, nobody)).toEqual({ type: 'networks' });
  });
});

describe('Kills', () => {
  const container = { id: 'c1', labels, stopSignal: TERM, startedAt: 100 };
  const NOW = 1_000;

  test.each([
    ['its stop signal after its start', TERM, 150, TERM, true],
    ['SIGKILL, whatever its stop signal', KILL, 150, 3, true],
    ['another signal', 1, 150, TERM, false],
    ['SIGTERM where that is not its stop signal', TERM, 150, 3, false],
    ['its stop signal before its last start', TERM, 50, TERM, false],
    ['a kill in the millisecond of its start', TERM, 100, TERM, true],
  ])('%s', (_title, signal, time, stopSignal, draining) => {
    const kills = new Kills();
    kills.record('c1', signal, time);
    expect(kills.draining({ ...container, stopSignal }, NOW)).toBe(draining);
    expect(kills.draining({ ...container, stopSignal, id: 'c2' }, NOW)).toBe(false);
  });

  test.each([
    ['sent since', 4_000_000, true],
    ['sent before the start, by the clock as it was', 7_500_000, false],
    ['sent after the start, by the clock as it was', 7_700_000, true],
  ])('one that was started before Docker’s clock was set back an hour: a stop signal %s', (_title, time, draining) => {
    const kills = new Kills();
    kills.record('c1', TERM, time);
    expect(kills.draining({ ...container, startedAt: 7_600_000 }, 4_000_000)).toBe(draining);
  });

  test('none counts for a container whose label hides which it was', () => {
    const hiding = { ...labels, signal: '15' };
    const kills = new Kills();
    kills.record('c1', TERM, 150);
    expect(kills.draining({ ...container, labels: hiding }, NOW)).toBe(false);
    expect([hidesSignals(hiding), hidesSignals(labels)]).toEqual([true, false]);
  });

  test('a HUP after the stop signal does not make it forget', () => {
    const kills = new Kills();
    kills.record('c1', TERM, 150);
    kills.record('c1', 1, 160);
    expect(kills.draining(container, NOW)).toBe(true);
  });

  test('a container that ended is forgotten', () => {
    const kills = new Kills();
    kills.record('c1', TERM, 150);
    kills.forget('c1');
    expect(kills.draining(container, NOW)).toBe(false);
  });

  test('neither the order of events nor hearing them twice matters', () => {
    const event = record({ signal: constantFrom(1, KILL, TERM), time: integer({ min: 0, max: 200 }) });
    const heard = array(event, { maxLength: 8 }).chain((events) =>
      record({
        events: constantFrom(events),
        order: shuffledSubarray([...events, ...events], { minLength: 2 * events.length }),
      }),
    );
    assert(
      property(heard, ({ events, order }) => {
        const kills = new Kills();
        for (const { signal, time } of order) kills.record('c1', signal, time);
        const expected = events.some(({ signal, time }) => signal !== 1 && time >= container.startedAt);
        expect(kills.draining(container, NOW)).toBe(expected);
      }),
    );
  });
});
