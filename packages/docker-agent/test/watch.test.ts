import { createLogger, toError } from '@clusterf/daemon';
import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { ManualClock, settled } from '../../daemon/test/manual-clock.js';
import type { ContainerState, DockerEvent, DockerView, Engine, Recollection } from '../src/container.js';
import { DockerWatch } from '../src/watch.js';
import { container } from './observer.js';

const HANGS = 'hangs';

/**
 * A Docker with faults that the real one does not produce on demand: inspects that hang or fail, lists that lack
 * what runs. What a healthy one does is tested with a real one.
 */
class FaultyDocker implements Engine {
  readonly containers = new Map<string, ContainerState | Error | typeof HANGS>();
  /** What the list lacks although it runs. */
  readonly unlisted = new Set<string>();
  /** Ids, in the order in which they were asked for. */
  readonly inspected: string[] = [];
  listFails = false;
  subscriptions = 0;
  /** Docker's clock; it stands still but for what a test does to it. */
  now = 1_000_000;
  /** What it remembers besides, and a deaf stream does not tell. */
  readonly remembered: DockerEvent[] = [];
  #next: ((event: DockerEvent) => void) | undefined;

  async recall(since: number, until: number): Promise<Recollection> {
    return { events: this.remembered.filter(({ time }) => time >= since && time <= until), now: this.now };
  }

  async subscribe(_since: number, signal: AbortSignal): Promise<AsyncIterable<DockerEvent>> {
    this.subscriptions += 1;
    return this.#events(signal);
  }

  async *#events(signal: AbortSignal): AsyncGenerator<DockerEvent> {
    for (;;) {
      yield await new Promise<DockerEvent>((resolve, reject) => {
        this.#next = resolve;
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    }
  }

  async emit(event: DockerEvent): Promise<void> {
    this.#next?.(event);
    await settled();
  }

  async list(): Promise<readonly Pick<ContainerState, 'id' | 'labels'>[]> {
    if (this.listFails) throw new Error('list failed');
    const { labels } = container();
    return [...this.containers.keys()].filter((id) => !this.unlisted.has(id)).map((id) => ({ id, labels }));
  }

  async inspect(id: string, signal: AbortSignal): Promise<ContainerState | undefined> {
    this.inspected.push(id);
    const state = this.containers.get(id);
    if (state instanceof Error) throw state;
    if (state !== HANGS) return state;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  }

  async networks(): Promise<readonly []> {
    return [];
  }
}

function scene(onView: (view: DockerView, unsure: ReadonlySet<string>) => void = () => {}, minUptime = 0) {
  const docker = new FaultyDocker();
  const clock = new ManualClock();
  const stop = new AbortController();
  const views: string[][] = [];
  const watch = new DockerWatch({
    engine: docker,
    clock,
    log: createLogger({ level: 'error', format: 'json', stream: new Writable() }),
    resync: 60_000,
    parallel: 2,
    minUptime,
    networks: [],
    onView: (view, unsure) => {
      views.push(view.containers.map(({ id }) => id));
      onView(view, unsure);
    },
  });
  return { docker, clock, stop, views, watch };
}

function up(id: string, overrides: Partial<ContainerState> = {}): ContainerState {
  return container({ id, ...overrides });
}

describe('faults of Docker', () => {
  test('a container it is stuck on does not hold back the others for long', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('stuck', HANGS).set('a', up('a')).set('b', up('b'));
    const running = watch.run(stop.signal);
    await clock.advance(1_999);
    expect(views).toEqual([]);
    await clock.advance(1);
    expect(views).toEqual([['a', 'b']]);
    stop.abort();
    await running;
  });

  test('a failed inspect keeps what is known, and is repeated', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('a', up('a')).set('b', up('b'));
    const running = watch.run(stop.signal);
    await settled();
    docker.containers.set('a', new Error('inspect failed'));
    await docker.emit({ type: 'container', action: 'rename', id: 'a', labels: container().labels, time: 5 });
    await clock.advance(2_500);
    expect(new Set(views.flat())).toEqual(new Set(['a', 'b']));
    expect(views.at(-1)).toEqual(['a', 'b']);

    docker.containers.delete('a');
    await clock.advance(1_000);
    expect(views.at(-1)).toEqual(['b']);
    stop.abort();
    await running;
  });

  test('an inspect that fails for an hour is repeated less and less often, whatever else asks for it', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('a', up('a')).set('bad', new Error('inspect failed'));
    const running = watch.run(stop.signal);
    await clock.advance(10_000);
    // After none, 1, 2 and 4 s.
    expect(docker.inspected.filter((id) => id === 'bad')).toHaveLength(4);
    for (let second = 0; second < 20; second += 1) {
      await docker.emit({ type: 'container', action: 'rename', id: 'bad', labels: container().labels, time: second });
      await clock.advance(1_000);
    }
    docker.inspected.length = 0;
    await clock.advance(3_600_000);
    // With every listing and once after it, at most.
    expect(docker.inspected.filter((id) => id === 'bad').length).toBeLessThanOrEqual(121);
    // What works again begins anew.
    docker.containers.set('bad', up('bad'));
    await clock.advance(60_000);
    expect(views.at(-1)).toEqual(['a', 'bad']);
    stop.abort();
    await running;
  });

  test('a running container that the list lacks is asked for by name, and stays', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('a', up('a'));
    const running = watch.run(stop.signal);
    await settled();
    docker.unlisted.add('a');
    await clock.advance(60_000);
    expect(views.at(-1)).toEqual(['a']);
    stop.abort();
    await running;
  });

  test('a failed list keeps everything, and Docker is subscribed to anew with growing delays', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('a', up('a'));
    const running = watch.run(stop.signal);
    await settled();
    docker.listFails = true;
    await clock.advance(60_000);
    const { subscriptions } = docker;
    await clock.advance(60_000);
    expect(docker.subscriptions).toBeGreaterThan(subscriptions);
    expect(docker.subscriptions).toBeLessThan(subscriptions + 70);
    expect(views.at(-1)).toEqual(['a']);
    docker.listFails = false;
    docker.containers.set('b', up('b'));
    await clock.advance(30_000);
    expect(views.at(-1)).toEqual(['a', 'b']);
    stop.abort();
    await running;
  });
});

describe('a stream that went deaf', () => {
  const event = { type: 'container', action: 'die', id: 'a', labels: container().labels } as const;

  test('is noticed within seconds by what Docker remembers, and left for a new one', async () => {
    const { docker, clock, stop, views, watch } = scene();
    docker.containers.set('a', up('a')).set('b', up('b'));
    const running = watch.run(stop.signal);
    await clock.advance(7_000);
    expect(docker.subscriptions).toBe(1);

    docker.now += 2_000;
    docker.remembered.push({ ...event, time: docker.now });
    docker.containers.delete('a');
    docker.now += 8_000;
    await clock.advance(11_000);
    expect(docker.subscriptions).toBe(2);
    expect(views.at(-1)).toEqual(['b']);
    stop.abort();
    await running;
  });

  test('is noticed where it never told anything too: of what was before it, it is to tell as well', async () => {
    const { docker, clock, stop, watch } = scene();
    docker.remembered.push({ ...event, time: docker.now - 60_000 });
    const running = watch.run(stop.signal);
    await clock.advance(6_000);
    expect(docker.subscriptions).toBe(2);
    stop.abort();
    await running;
  });

  test('is none where the stream told it, be it only now', async () => {
    const { docker, clock, stop, watch } = scene();
    docker.containers.set('a', up('a'));
    const running = watch.run(stop.signal);
    for (let second = 0; second < 30; second += 1) {
      docker.now += 1_000;
      const told = { ...event, action: 'rename', time: docker.now };
      docker.remembered.push(told);
      await clock.advance(1_000);
      await docker.emit(told);
    }
    expect(docker.subscriptions).toBe(1);
    stop.abort();
    await running;
  });
});

describe('--min-uptime', () => {
  test('one that comes to run for long enough while all else is told is told as well', async () => {
    const one = scene(() => one.clock.pass(50), 10_000);
    const { docker, clock, stop, views, watch } = one;
    docker.containers.set('a', up('a', { startedAt: docker.now - 9_980 }));
    const running = watch.run(stop.signal);
    await clock.advance(1_000);
    expect([views[0], views.at(-1)]).toEqual([[], ['a']]);
    stop.abort();
    await running;
  });

  test('a container that runs for less is told when it has run for long enough, by Docker’s clock', async () => {
    const { docker, clock, stop, views, watch } = scene(undefined, 10_000);
    docker.containers.set('old', up('old', { startedAt: docker.now - 10_000 }));
    docker.containers.set('new', up('new', { startedAt: docker.now - 4_000 }));
    const running = watch.run(stop.signal);
    await clock.advance(5_999);
    expect(views.at(-1)).toEqual(['old']);
    await clock.advance(1);
    expect(views.at(-1)).toEqual(['old', 'new']);
    stop.abort();
    await running;
  });

  test('one that crashes again and again before is never told', async () => {
    const { docker, clock, stop, views, watch } = scene(undefined, 10_000);
    const running = watch.run(stop.signal);
    for (let start = 0; start < 10; start += 1) {
      docker.containers.set('a', up('a', { startedAt: docker.now }));
      await docker.emit({ type: 'container', action: 'start', id: 'a', labels: container().labels, time: docker.now });
      await clock.advance(9_000);
      docker.now += 9_000;
      docker.containers.delete('a');
      await docker.emit({ type: 'container', action: 'die', id: 'a', labels: container().labels, time: docker.now });
      await clock.advance(1_000);
      docker.now += 1_000;
    }
    expect(new Set(views.flat())).toEqual(new Set());
    stop.abort();
    await running;
  });

  test('a jump of Docker’s clock takes nothing back', async () => {
    const { docker, clock, stop, views, watch } = scene(undefined, 10_000);
    docker.containers.set('a', up('a', { startedAt: docker.now - 60_000 }));
    const running = watch.run(stop.signal);
    await clock.advance(10_000);
    docker.now -= 3_600_000;
    await clock.advance(120_000);
    expect(views.at(-1)).toEqual(['a']);
    // Nor does one that starts before such a jump wait for the clock to catch up.
    docker.containers.set('b', up('b', { startedAt: docker.now + 3_600_000 }));
    await clock.advance(60_000);
    await clock.advance(10_000);
    expect(views.at(-1)).toEqual(['a', 'b']);
    stop.abort();
    await running;
  });
});

test('one that was started before Docker’s clock was set back drains as any other when it is told to stop', async () => {
  const draining: string[][] = [];
  const { docker, clock, stop, watch } = scene((view) => draining.push([...view.draining]));
  docker.containers.set('a', up('a', { startedAt: docker.now + 3_600_000 }));
  const running = watch.run(stop.signal);
  await clock.advance(1_000);
  const { labels } = container();
  await docker.emit({ type: 'container', action: 'kill', id: 'a', labels, signal: 15, time: docker.now });
  await clock.advance(1_000);
  expect([draining[0], draining.at(-1)]).toEqual([[], ['a']]);
  stop.abort();
  await running;
});

describe('a container that uses another’s network', () => {
  const sharer = up('sharer', { networkMode: 'container:owner' });
  const owner = up('owner', { labels: {} });

  test('has that one told along, labelled or not, and is not told before', async () => {
    const others: string[][] = [];
    const { docker, clock, stop, views, watch } = scene((view) => others.push(view.others.map(({ id }) => id)));
    docker.containers.set('sharer', sharer).set('owner', owner);
    docker.unlisted.add('owner');
    const running = watch.run(stop.signal);
    await settled();
    expect({ views, others }).toEqual({ views: [['sharer']], others: [['owner']] });

    // What happens to it is heard of, though it has no labels.
    docker.containers.delete('owner');
    await docker.emit({ type: 'container', action: 'die', id: 'owner', labels: {}, time: 5 });
    await clock.advance(1_000);
    expect(others.at(-1)).toEqual([]);
    docker.containers.set('owner', owner);
    await docker.emit({ type: 'container', action: 'start', id: 'owner', labels: {}, time: 6 });
    await clock.advance(1_000);
    expect(others.at(-1)).toEqual(['owner']);
    stop.abort();
    await running;
  });
});

describe('what is not known yet is told', () => {
  test('until Docker has answered for all that it listed', async () => {
    const told: string[][] = [];
    const { docker, clock, stop, watch } = scene((_view, unsure) => told.push([...unsure]));
    docker.containers.set('a', up('a')).set('b', new Error('inspect failed'));
    const running = watch.run(stop.signal);
    await settled();
    expect(told).toEqual([['b']]);
    docker.containers.delete('b');
    await clock.advance(1_000);
    expect(told).toEqual([['b'], []]);
    stop.abort();
    await running;
  });

  test('with those whose network is that of a container that Docker has not answered for', async () => {
    const told: string[][] = [];
    const { docker, clock, stop, watch } = scene((_view, unsure) => told.push([...unsure].toSorted()));
    docker.unlisted.add('owner');
    docker.containers
      .set('a', up('a'))
      .set('b', up('b', { networkMode: 'container:owner' }))
      .set('owner', HANGS);
    const running = watch.run(stop.signal);
    await clock.advance(2_000);
    expect(told).toEqual([['b', 'owner']]);
    stop.abort();
    await running;
  });
});

test('dockerd begins health checks anew when it is restarted: a container that was healthy stays so', async () => {
  const health: string[] = [];
  const { docker, clock, stop, watch } = scene(({ containers }) =>
    health.push(containers.map((each) => each.health).join()),
  );
  const running = watch.run(stop.signal);
  for (const overrides of [
    { health: 'starting' },
    { health: 'healthy' },
    { health: 'starting' },
    { health: 'unhealthy' },
    { health: 'starting' },
    { health: 'healthy' },
    { health: 'starting', startedAt: 2_000 },
  ] as const) {
    docker.containers.set('a', up('a', overrides));
    await docker.emit({ type: 'container', action: 'health_status', id: 'a', labels: container().labels, time: 5 });
    await clock.advance(1_000);
  }
  expect(health).toEqual(['starting', 'healthy', 'unhealthy', 'starting', 'healthy', 'starting']);
  stop.abort();
  await running;
});

test('a thousand events of one container cause some inspects a second, the last of them after the last event', async () => {
  const names: string[] = [];
  const { docker, clock, stop, watch } = scene(({ containers }) =>
    names.push(containers.map(({ name }) => name).join()),
  );
  docker.containers.set('a', up('a'));
  const inspect = docker.inspect.bind(docker);
  let inspects = 0;
  docker.inspect = (...args) => {
    inspects += 1;
    return inspect(...args);
  };
  const running = watch.run(stop.signal);
  await clock.advance(1_000);
  inspects = 0;
  for (let number = 1; number <= 1_000; number += 1) {
    docker.containers.set('a', up('a', { name: `name-${number}` }));
    await docker.emit({ type: 'container', action: 'rename', id: 'a', labels: container().labels, time: number });
    await clock.advance(1);
  }
  await clock.advance(100);
  expect(inspects).toBeLessThanOrEqual(12);
  expect(names.at(-1)).toBe('name-1000');
  stop.abort();
  await running;
});

test('a kill is told without an inspect, even where an inspect would hang', async () => {
  const drained: string[][] = [];
  const { docker, stop, watch, clock } = scene(({ draining }) => drained.push([...draining]));
  docker.containers.set('a', up('a', { startedAt: 1 }));
  const running = watch.run(stop.signal);
  await clock.advance(100);
  docker.containers.set('a', HANGS);
  await docker.emit({ type: 'container', action: 'kill', id: 'a', labels: container().labels, time: 5, signal: 15 });
  expect(drained.at(-1)).toEqual(['a']);
  stop.abort();
  await running;
});

test('once: everything is told once; a container that cannot be inspected is a failure', async () => {
  const { docker, stop, views, watch } = scene();
  docker.containers.set('a', up('a')).set('b', up('b'));
  await watch.once(stop.signal);
  expect(views).toEqual([['a', 'b']]);
  docker.containers.set('b', new Error('inspect failed'));
  await expect(watch.once(stop.signal)).rejects.toThrow('inspect failed');
});

test('a bug in what receives the views, later on, ends the watch too', async () => {
  let broken = false;
  const { docker, clock, stop, watch } = scene(() => {
    if (broken) throw new TypeError('a bug');
  });
  docker.containers.set('a', up('a'));
  const running = watch.run(stop.signal).catch(toError);
  await settled();
  broken = true;
  docker.containers.set('a', up('a', { name: 'new' }));
  await docker.emit({ type: 'container', action: 'rename', id: 'a', labels: container().labels, time: 5 });
  await clock.advance(100);
  expect(await running).toEqual(new TypeError('a bug'));
  expect(docker.subscriptions).toBe(1);
});

test('a bug in what receives the views ends the watch: it is no lost Docker', async () => {
  const { docker, stop, watch } = scene(() => {
    throw new TypeError('a bug');
  });
  docker.containers.set('a', up('a'));
  await expect(watch.run(stop.signal)).rejects.toThrow('a bug');
});
