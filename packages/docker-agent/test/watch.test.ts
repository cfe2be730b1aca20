import { createLogger } from '@clusterf/daemon';
import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { ManualClock, settled } from '../../daemon/test/manual-clock.js';
import type { ContainerState, DockerEvent, DockerView, Engine } from '../src/container.js';
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
  listFails = false;
  subscriptions = 0;
  #next: ((event: DockerEvent) => void) | undefined;

  async subscribe(_since: number | undefined, signal: AbortSignal): Promise<AsyncIterable<DockerEvent>> {
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
    const state = this.containers.get(id);
    if (state instanceof Error) throw state;
    if (state !== HANGS) return state;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  }

  async networks(): Promise<readonly []> {
    return [];
  }
}

function scene(onView: (view: DockerView) => void = () => {}) {
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
    networks: [],
    onView: (view) => {
      views.push(view.containers.map(({ id }) => id));
      onView(view);
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
    await clock.advance(60_000);
    expect(new Set(views.flat())).toEqual(new Set(['a', 'b']));
    expect(views.at(-1)).toEqual(['a', 'b']);

    docker.containers.delete('a');
    await clock.advance(1_000);
    expect(views.at(-1)).toEqual(['b']);
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

test('a kill is told without an inspect, even where an inspect would hang', async () => {
  const drained: string[][] = [];
  const { docker, stop, watch } = scene(({ draining }) => drained.push([...draining]));
  docker.containers.set('a', up('a', { startedAt: 1 }));
  const running = watch.run(stop.signal);
  await settled();
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

test('a bug in what receives the views ends the watch: it is no lost Docker', async () => {
  const { docker, stop, watch } = scene(() => {
    throw new TypeError('a bug');
  });
  docker.containers.set('a', up('a'));
  await expect(watch.run(stop.signal)).rejects.toThrow('a bug');
});
