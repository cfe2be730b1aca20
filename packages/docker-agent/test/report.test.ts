import { describe, expect, test } from '@jest/globals';
import { createLogger } from '@clusterf/daemon';
import { MemoryTree, memoryRegistrations } from '@clusterf/store';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { ManualClock, settled } from '../../daemon/test/manual-clock.js';
import type { DockerEvent, DockerView, Engine } from '../src/container.js';
import type { Observer } from '../src/observer.js';
import { Report } from '../src/report.js';
import { container } from './observer.js';

const KEY = `services/web/backends/${container().id}`;
const NOTHING: DockerView = { containers: [], others: [], draining: new Set(), networks: [] };

/** A report on a Docker that answers as the test says, and what was counted of it. */
function reporting(engine: Partial<Engine> = {}) {
  const clock = new ManualClock();
  const counted: string[] = [];
  const observer: Observer = {
    event: (type, action) => counted.push(`${type} ${action}`),
    inspect: (outcome, seconds) => counted.push(`inspect ${outcome} ${seconds}`),
    listing: (outcome) => counted.push(`listing ${outcome}`),
    loss: () => counted.push('loss'),
    registration: ({ type }) => counted.push(type),
    eventToEtcd: (seconds) => counted.push(`etcd ${seconds}`),
  };
  const ending = new AbortController();
  const report = new Report({
    engine: {
      subscribe: async () => (async function* () {})(),
      recall: async () => ({ events: [], now: 0 }),
      list: async () => [],
      inspect: async () => container(),
      networks: async () => [],
      ...engine,
    },
    ending: ending.signal,
    run: { version: '1', machine: 'm', pid: 1, started: '2026-01-01T00:00:00.000Z' },
    host: 'host1',
    docker: 'unix:///docker.sock',
    tree: 'etcd:',
    resync: 60_000,
    observer,
    clock,
    log: createLogger({ level: 'error', format: 'json', stream: new Writable({ write: (_c, _e, done) => done() }) }),
  });
  return { report, clock, counted, ending };
}

const { signal } = new AbortController();

async function drain(events: AsyncIterable<DockerEvent>): Promise<void> {
  for await (const { time } of events) expect(time).toBeGreaterThanOrEqual(0);
}

function start(id: string): DockerEvent {
  return { type: 'container', action: 'start', id, labels: container().labels, time: 0 };
}

async function fails(): Promise<never> {
  throw new Error('refused');
}

describe('contact with Docker', () => {
  test('is there from the first listing on, until the stream ends; then what was listed is not unread again', async () => {
    const { report, counted } = reporting();
    expect(report.status().docker).toMatchObject({ state: 'unread' });
    const events = await report.engine.subscribe(0, signal);
    await report.engine.list(signal);
    expect(report.status().docker).toMatchObject({ state: 'current', lastListing: expect.any(String) });
    await drain(events);
    expect(report.status().docker).toMatchObject({ state: 'unavailable', error: 'the event stream ended' });
    await report.engine.list(signal);
    expect(report.status().docker.error).toBeUndefined();
    expect(counted).toEqual(['listing done', 'loss', 'listing done']);
  });

  test('what fails is said, and is not counted when the agent ends', async () => {
    const { report, counted, ending } = reporting({ list: fails, inspect: fails, recall: fails });
    await expect(report.engine.recall(0, 0, signal)).rejects.toThrow('refused');
    expect(report.status().docker).toMatchObject({ state: 'unread', error: 'refused' });
    expect(report.unready).toBe('docker has not been listed yet: refused');
    await expect(report.engine.list(signal)).rejects.toThrow('refused');
    await expect(report.engine.inspect('c1', signal)).rejects.toThrow('refused');
    expect(counted).toEqual(['listing failed', 'inspect failed 0']);
    const events = await report.engine.subscribe(0, signal);
    ending.abort();
    await drain(events);
    await expect(report.engine.list(AbortSignal.abort())).rejects.toThrow('refused');
    await expect(report.engine.inspect('c1', AbortSignal.abort())).rejects.toThrow('refused');
    expect(counted).toHaveLength(2);
  });

  test('what ended the connection is said, not what was given up with it', async () => {
    const over = new AbortController();
    const aborted = async () => {
      await once(over.signal, 'abort');
      throw new Error('The operation was aborted');
    };
    const { report } = reporting({
      networks: fails,
      list: aborted,
      subscribe: async () =>
        (async function* () {
          yield start('c1');
          await aborted();
        })(),
    });
    const listing = report.engine.list(over.signal);
    const following = drain(await report.engine.subscribe(0, over.signal));
    await expect(report.engine.networks([], over.signal)).rejects.toThrow('refused');
    over.abort();
    await expect(Promise.all([listing, following])).rejects.toThrow('aborted');
    await expect(following).rejects.toThrow('aborted');
    expect(report.unready).toBe('docker has not been listed yet: refused');
  });

  test('an agent that asks nothing for a minute longer than it should is not alive; any question will do', async () => {
    const { report, clock } = reporting();
    await clock.advance(120_000);
    expect(report.unhealthy).toBeUndefined();
    await clock.advance(1_000);
    expect(report.unhealthy).toBe('docker has not been asked anything for 2m1s');
    await report.engine.recall(0, 0, signal);
    expect(report.unhealthy).toBeUndefined();
  });
});

describe('from an event to etcd', () => {
  test('is timed over the inspect, from the event’s arrival until the key is written', async () => {
    const { id } = container();
    const { report, clock, counted } = reporting({
      subscribe: async () =>
        (async function* () {
          yield start(id);
        })(),
    });
    for await (const event of await report.engine.subscribe(0, signal)) {
      if (event.type !== 'container') continue;
      await clock.advance(100);
      await report.engine.inspect(event.id, signal);
      const view = { ...NOTHING, containers: [container()] };
      report.viewed(view, { entries: new Map([[KEY, '{}']]), shared: new Map(), problems: [] }, true);
      await clock.advance(400);
      report.heard({ type: 'put key', key: KEY, value: '{}' });
    }
    expect(counted).toEqual(['container start', 'inspect done 0', 'put key', 'etcd 0.5', 'loss']);
  });
});

describe('the state of the registrations', () => {
  test('is ready when all that was found is written, not when only some of it was', async () => {
    const { report } = reporting();
    report.writes(memoryRegistrations(new MemoryTree()));
    await report.engine.list(signal);
    const registered = { entries: new Map(), shared: new Map(), problems: [] };
    report.viewed(NOTHING, registered, false);
    await settled();
    expect(report.unready).toBe('not all that runs is registered yet');
    report.viewed(NOTHING, registered, true);
    await settled();
    expect(report.unready).toBeUndefined();
    expect(report.status().ready).toBe(true);
  });

  test('a frontend that somebody else has put is a problem until it is ours or not wanted any more', () => {
    const { report } = reporting();
    const shared = new Map([
      ['services/a/frontend', 'ours'],
      ['services/b/frontend', 'ours'],
      ['services/c/frontend', 'same'],
    ]);
    const registered = { entries: new Map<string, string>(), shared, problems: [] };
    report.viewed(NOTHING, registered, true);
    for (const [key, ours] of shared) {
      report.heard({ type: 'held by another', key, value: ours === 'same' ? ours : 'theirs' });
    }
    expect(report.status().frontends).toEqual({ wanted: 3, held: 3 });
    expect(report.status().problems.map(({ key }) => key)).toEqual(['services/a/frontend', 'services/b/frontend']);
    report.heard({ type: 'put key', key: 'services/a/frontend', value: 'ours' });
    report.viewed(NOTHING, { ...registered, shared: new Map([...shared].slice(0, 1)) }, true);
    expect(report.status().problems).toEqual([]);
    expect(report.status().frontends).toEqual({ wanted: 1, held: 0 });
  });

  test('every container is counted by what it is told by', () => {
    const { report } = reporting();
    const containers = [
      container({ id: '1' }),
      container({ id: '2', health: 'healthy' }),
      container({ id: '3', health: 'starting' }),
      container({ id: '4', health: 'unhealthy' }),
      container({ id: '5', status: 'paused', health: 'unhealthy' }),
      container({ id: '6', health: 'starting' }),
      container({ id: '7', status: 'stopping' }),
    ];
    const others = [container({ id: '8' }), container({ id: '9', labels: {} })];
    const view = { ...NOTHING, containers, others, draining: new Set(['5', '6']) };
    report.viewed(view, { entries: new Map(), shared: new Map(), problems: [] }, true);
    expect(report.status().containers).toEqual({
      young: 1,
      paused: 1,
      draining: 2,
      starting: 1,
      unhealthy: 1,
      running: 2,
    });
  });
});
