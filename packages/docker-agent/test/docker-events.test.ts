import { describe, expect, test } from '@jest/globals';
import { assert, asyncProperty, integer } from 'fast-check';
import type { DockerEvent } from '../src/container.js';
import { decodeEvent, decodeEvents } from '../src/docker-events.js';

const Attributes = { 'clusterf.service': 'web', name: 'web-1', signal: '15' };
const kill = { Type: 'container', Action: 'kill', Actor: { ID: 'c1', Attributes }, timeNano: 1.5e18 };

/** What comes of a stream in these pieces, and how it ends. */
async function decoded(...pieces: readonly string[]): Promise<{ events: DockerEvent[]; error?: string }> {
  const events: DockerEvent[] = [];
  try {
    for await (const event of decodeEvents(pieces)) events.push(event);
    return { events };
  } catch (error) {
    return { events, error: String(error) };
  }
}

describe('one event', () => {
  test('a kill carries its signal, the container’s labels and Docker’s time in milliseconds', () => {
    const event = { type: 'container', action: 'kill', id: 'c1', labels: Attributes, time: 1.5e12, signal: 15 };
    expect(decodeEvent(kill)).toEqual(event);
  });

  test('a network event names the container, if it is about one', () => {
    const Actor = { ID: 'n1', Attributes: { container: 'c1', name: 'front' } };
    expect(decodeEvent({ Type: 'network', Action: 'connect', Actor, timeNano: 1e6 })).toEqual({
      type: 'network',
      action: 'connect',
      container: 'c1',
      time: 1,
    });
    expect(decodeEvent({ Type: 'network', Action: 'create', Actor: { ID: 'n1' }, timeNano: 1e6 })).toEqual({
      type: 'network',
      action: 'create',
      time: 1,
    });
  });

  test('of a network in Podman, the actor is the container', () => {
    const Actor = { ID: 'c1', Attributes: { containerExitCode: '0', image: '', name: 'web-1', podId: '' } };
    expect(decodeEvent({ Type: 'network', Action: 'disconnect', Actor, timeNano: 1e6 })).toMatchObject({
      container: 'c1',
    });
  });

  test('without attributes, which may be null, has no labels', () => {
    const Actor = { ID: 'c1', Attributes: null };
    expect(decodeEvent({ Type: 'container', Action: 'start', Actor, timeNano: 1e6 })).toMatchObject({ labels: {} });
  });

  test('about anything else is nothing', () => {
    expect(decodeEvent({ Type: 'image', Action: 'pull', Actor: { ID: 'i' }, timeNano: 1 })).toBeUndefined();
  });

  test.each([null, 7, 'kill', [], {}, { ...kill, Actor: null }, { ...kill, Actor: {} }, { ...kill, timeNano: '1' }])(
    '%j is none',
    (message) => {
      expect(() => decodeEvent(message)).toThrow('an event of docker lacks its type, action, actor or time');
    },
  );
});

describe('a stream', () => {
  const line = `${JSON.stringify(kill)}\n`;

  test('may be cut into pieces anywhere', async () => {
    const all = line.repeat(3);
    await assert(
      asyncProperty(integer({ min: 0, max: all.length }), integer({ min: 0, max: all.length }), async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const { events, error } = await decoded(all.slice(0, from), all.slice(from, to), all.slice(to));
        expect({ count: events.length, error }).toEqual({ count: 3, error: undefined });
      }),
    );
  });

  test('that ends in the middle of an event has the ones before', async () => {
    expect(await decoded(line, line.slice(0, 30))).toEqual({ events: [decodeEvent(kill)] });
  });

  test('with an empty line has nothing there', async () => {
    expect(await decoded('\r\n', line, '\n')).toEqual({ events: [decodeEvent(kill)] });
  });

  test('ends by an error at anything else, which is not repeated: it may be half of an event, with secret labels', async () => {
    const { events, error } = await decoded(line, '"secret":"hunter2"}}\n', line);
    expect({ events: events.length, error }).toEqual({ events: 1, error: 'Error: an event of docker is not JSON' });
  });

  const MIB = 1024 * 1024;
  const long = `{"Type":"container","Action":"die","Actor":{"ID":"${'x'.repeat(4 * MIB)}"},"timeNano":1}\n`;

  test.each([
    ['in one piece', [long]],
    ['in pieces', [long.slice(0, MIB), long.slice(MIB, 2 * MIB), long.slice(2 * MIB)]],
  ])('passes over an event that is too long, %s, instead of breaking at it again and again', async (_title, pieces) => {
    const event = decodeEvent(kill);
    expect(await decoded(line, ...pieces, line)).toEqual({ events: [event, event] });
    expect(await decoded(pieces.join('') + line)).toEqual({ events: [event] });
  });

  test('ends by an error where an event has no end, and never fills the memory', async () => {
    const { error } = await decoded(...Array.from({ length: 65 }, () => 'x'.repeat(MIB)));
    expect(error).toBe('Error: an event of docker has no end');
  });
});
