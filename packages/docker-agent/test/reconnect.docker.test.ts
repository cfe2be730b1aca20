import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { array, assert, asyncProperty, constantFrom, record } from 'fast-check';
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import {
  isSubscription,
  PASS,
  type DockerProxy,
  startDockerProxy,
  type Treatment,
} from '../../../test/fixtures/docker-proxy.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { until } from '../../../test/fixtures/until.js';
import { Observer, PATIENCE } from './observer.js';

let dockerd: Dockerd;

beforeAll(async () => {
  dockerd = await startDockerd();
  await dockerd.docker('network', 'create', '--subnet', '10.98.0.0/24', 'back');
});
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

afterEach(removeAll);

async function removeAll(): Promise<void> {
  const ids = await dockerd.docker('ps', '--all', '--quiet');
  if (ids !== '') await dockerd.docker('rm', '--force', ...ids.split('\n'));
}

function run(service: string): Promise<string> {
  const labels = ['--label', `clusterf.service=${service}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', service, ...labels]);
}

/** Waits until the observer sees what one sees who looks for the first time. */
async function seesTheTruth(observer: Observer): Promise<void> {
  await until(
    'what is seen is what a fresh look sees',
    async () => {
      await using fresh = new Observer(dockerd.endpoint);
      await fresh.listed();
      const [seen, truth] = [observer, fresh].map(({ registered }) => registered?.entries);
      return isDeepStrictEqual(seen, truth);
    },
    PATIENCE,
  );
}

/** Treats the next requests that match like this, and all others as if nothing were. */
function sabotage(proxy: DockerProxy, matches: (url: URL) => boolean, treatment: Treatment, times = 3): void {
  let left = times;
  proxy.rule = (_method, url) => {
    if (left === 0 || !matches(url)) return PASS;
    left -= 1;
    return treatment;
  };
}

const isList = ({ pathname }: URL) => pathname === '/containers/json';
const isInspect = ({ pathname }: URL) => /^\/containers\/[0-9a-f]{64}\/json$/.test(pathname);
const isRecollection = (url: URL) => url.pathname === '/events' && !isSubscription(url);

describe('whatever breaks on the way to Docker, nothing is removed for it, and in the end all is seen', () => {
  test.each<[string, (url: URL) => boolean, Treatment]>([
    ['the subscription is reset', isSubscription, { type: 'cut', after: 0 }],
    ['the subscription is refused', isSubscription, { type: 'refuse', status: 503 }],
    ['the stream ends in the middle of an event', isSubscription, { type: 'cut', after: 40 }],
    ['the stream has garbage', isSubscription, { type: 'garble', after: 40, text: '\u0000}]garbage\n' }],
    ['the stream has another’s JSON', isSubscription, { type: 'garble', after: 0, text: '{"hello":"world"}\n' }],
    ['the clock is not told', isRecollection, { type: 'cut', after: 0 }],
    ['the list is reset, between subscription and list', isList, { type: 'cut', after: 0 }],
    ['the list is cut in its middle', isList, { type: 'cut', after: 300 }],
    ['the list is refused', isList, { type: 'refuse', status: 500 }],
    ['the list is no JSON', isList, { type: 'garble', after: 1, text: 'oops' }],
    ['the list is none', isList, { type: 'garble', after: 0, text: '{"message":"no"}' }],
    ['an inspect is reset', isInspect, { type: 'cut', after: 0 }],
    ['an inspect is cut in its middle', isInspect, { type: 'cut', after: 300 }],
    ['an inspect is refused', isInspect, { type: 'refuse', status: 500 }],
    ['an inspect is no container', isInspect, { type: 'garble', after: 0, text: '{"Id":"x"}' }],
  ])('%s', async (_title, matches, treatment) => {
    await using proxy = await startDockerProxy(dockerd.socketPath);
    await Promise.all(['stays', 'ends', 'drains'].map(run));
    await using observer = new Observer(proxy.endpoint);
    for (const service of ['stays', 'ends', 'drains']) await observer.hasWeight(service, 10);

    sabotage(proxy, matches, treatment);
    proxy.cut();
    await dockerd.docker('stop', '--time', '0', 'ends');
    await dockerd.docker('kill', '--signal', 'TERM', 'drains');
    await run('begins');

    await observer.hasWeight('begins', 10);
    await observer.isGone('ends');
    await observer.hasWeight('drains', 0);
    await seesTheTruth(observer);
    expect(observer.weights('stays').filter((weight) => weight !== undefined)).toEqual([10]);
    expect(observer.weights('stays').lastIndexOf(undefined)).toBeLessThanOrEqual(0);
  });
});

test('a stream that goes deaf without an end is noticed within seconds, long before the next listing', async () => {
  await using proxy = await startDockerProxy(dockerd.socketPath);
  await run('stays');
  await using observer = new Observer(proxy.endpoint);
  await observer.hasWeight('stays', 10);
  await until('it listens', () => proxy.streams === 1, PATIENCE);
  proxy.deafen();
  await run('unheard');
  await until('it is heard of', () => observer.weight('unheard') === 10, 20_000);
  expect(observer.weights('stays').slice(-1)).toEqual([10]);
});

test('a connection that comes and goes is asked at leisure, not again and again', async () => {
  await using proxy = await startDockerProxy(dockerd.socketPath, (_method, url) =>
    isSubscription(url) ? { type: 'cut', after: 0 } : PASS,
  );
  await using observer = new Observer(proxy.endpoint);
  const began = performance.now();
  await until('some attempts', () => proxy.requests.filter((line) => line === 'GET /events').length >= 24, PATIENCE);
  // Two or three for each of at least eight attempts, between which are 100 ms, doubled up to 2 s, less a half at most.
  expect(performance.now() - began).toBeGreaterThan(3_000);
  expect(observer.registered).toBeUndefined();
});

test('a thousand events of one container cause some inspects a second, the last after the last event', async () => {
  const id = await run('storm');
  await using observer = new Observer(dockerd.endpoint);
  await observer.hasWeight('storm', 10);
  observer.inspected.length = 0;
  const agent = new Agent({ keepAlive: true });
  const began = performance.now();
  for (let number = 1; number <= 1_000; number += 1) {
    const path = `/containers/${id}/rename?name=storm-${number}`;
    const [response] = await once(
      request({ socketPath: dockerd.socketPath, path, method: 'POST', agent }).end(),
      'response',
    );
    response.resume();
    await once(response, 'end');
  }
  await until('the last name is seen', () => observer.backend('storm')?.container === 'storm-1000', PATIENCE);
  const seconds = (performance.now() - began) / 1_000;
  agent.destroy();
  // Of others there are some too: Docker tells the events of those that are gone as well.
  const inspects = observer.inspected.filter((inspected) => inspected === id);
  expect(inspects.length).toBeLessThanOrEqual(seconds * 10 + 2);
});

/** Docker's side breaks in one of several ways, now or at one of the next requests. */
function disturb(proxy: DockerProxy, fault: string): void {
  if (fault === 'half an event') sabotage(proxy, isSubscription, { type: 'cut', after: 40 }, 1);
  if (fault === 'no list') sabotage(proxy, isList, { type: 'refuse', status: 500 }, 2);
  if (fault === 'half a list') sabotage(proxy, isList, { type: 'cut', after: 300 }, 2);
  if (fault === 'half an inspect') sabotage(proxy, isInspect, { type: 'cut', after: 300 }, 2);
  if (fault === 'deaf') proxy.deafen();
  else if (fault !== 'none') proxy.cut();
}

describe('random operations and random cuts', () => {
  const NAMES = ['red', 'green', 'blue'] as const;
  const step = record({
    name: constantFrom(...NAMES),
    operation: constantFrom<readonly string[]>(
      ['start'],
      ['start'],
      ['stop', '--time', '0'],
      ['kill'],
      ['kill', '--signal', 'TERM'],
      ['kill', '--signal', 'HUP'],
      ['pause'],
      ['unpause'],
      ['rename'],
      ['network', 'connect', 'back'],
      ['network', 'disconnect', 'back'],
    ),
    fault: constantFrom(
      'none',
      'none',
      'none',
      'cut',
      'half an event',
      'no list',
      'half a list',
      'half an inspect',
      'deaf',
    ),
  });

  test('what is seen at the end is what a fresh look sees, and a container that runs all along was never away', async () => {
    await assert(
      asyncProperty(array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        await using proxy = await startDockerProxy(dockerd.socketPath);
        const ids = new Map(await Promise.all(NAMES.map(async (name) => [name, await run(name)] as const)));
        await run('witness');
        await using observer = new Observer(proxy.endpoint);
        await observer.hasWeight('witness', 10);
        try {
          for (const [index, { name, operation, fault }] of steps.entries()) {
            disturb(proxy, fault);
            const id = ids.get(name) ?? '';
            const more = operation[0] === 'rename' ? [`${name}-${index}`] : [];
            // Not every operation is possible in every state.
            await dockerd.docker(...operation, id, ...more).catch(() => undefined);
          }
          proxy.rule = () => PASS;
          await seesTheTruth(observer);
          expect(observer.weights('witness').filter((weight) => weight !== 10).length).toBeLessThanOrEqual(1);
          expect(observer.weights('witness').at(-1)).toBe(10);
        } finally {
          await removeAll();
        }
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });
});
