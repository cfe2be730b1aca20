/** What an operator drains, with clients at it: no connection breaks, no request fails, and nothing new goes there. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { projectRoot } from '../lab/index.js';
import { until } from '../fixtures/until.js';
import { weighs } from './cluster.js';
import { type Event } from './failover/measure.js';
import { EDGES, Scene, WEB, WEIGHT } from './failover/scene.js';
import { PATIENCE } from './router.js';

const CLUSTERF = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');
const REQUESTS = 32;

let scene: Scene;

/** On a balancer, as an operator there would. */
async function clusterf(...args: readonly string[]): Promise<string> {
  const { cluster } = scene;
  return await cluster.place('edge1').run(CLUSTERF, ...args, '--config-source', cluster.etcd.source);
}

/** Who answers new connections. */
async function answering(): Promise<string[]> {
  const replies = await scene.cluster.client().ask('tcp', { address: WEB.ipv4, port: WEB.tcp }, REQUESTS);
  return [...new Set(replies.map(({ from }) => from))].toSorted();
}

/** How many destinations of weight 0 a host gives connections on to. */
async function resting(host: string): Promise<number> {
  return (await scene.cluster.machine(host).table()).filter((line) => weighs(line, 0)).length;
}

async function edgesGive(host: 'host1' | 'host2', weight: number): Promise<void> {
  for (const name of EDGES) await scene.weighs(name, host, weight);
}

/** Has it happen while clients are at it. @returns what they noticed of it */
async function noticed(event: Event): Promise<unknown> {
  const { losses, requests } = await scene.measure(event);
  if (requests.total < REQUESTS) throw new Error(`only ${requests.total} requests`);
  return { losses, failed: requests.failed };
}

const NOTHING = { losses: [], failed: 0 };

beforeAll(async () => {
  scene = await Scene.start('both');
});
afterAll(async () => await scene?.[Symbol.asyncDispose]());

describe('clusterf drain', () => {
  test('of a Docker host', async () => {
    expect(
      await noticed({
        happen: async () => await clusterf('drain', 'host', 'host2', '--reason', 'kernel update'),
        converge: async () => await edgesGive('host2', 0),
      }),
    ).toEqual(NOTHING);
    expect(await answering()).toEqual(['host1-1', 'host1-2']);
    expect(await clusterf('drain')).toMatch(/^host +host2 .* kernel update$/m);
    // What still comes to it, from its own containers or too late, is served.
    expect(await resting('host2')).toBe(0);
    expect(
      await noticed({
        happen: async () => await clusterf('undrain', 'host', 'host2'),
        converge: async () => await edgesGive('host2', WEIGHT),
      }),
    ).toEqual(NOTHING);
    expect(await answering()).toEqual(['host1-1', 'host1-2', 'host2-1', 'host2-2']);
  });

  test('of one backend: its host gets less, and gives it nothing', async () => {
    expect(
      await noticed({
        happen: async () => await clusterf('drain', 'web/host1-1'),
        converge: async () => {
          await edgesGive('host1', WEIGHT / 2);
          await until('its host to know', async () => (await resting('host1')) > 0, ...PATIENCE);
        },
      }),
    ).toEqual(NOTHING);
    expect(await answering()).toEqual(['host1-2', 'host2-1', 'host2-2']);
    await clusterf('undrain', 'web/host1-1');
    await edgesGive('host1', WEIGHT);
  });

  test('of a balancer: routers send to the other', async () => {
    expect(
      await noticed({
        happen: async () => await clusterf('drain', 'balancer', 'edge1', '--wait', '30s'),
        converge: async () => await scene.balancing(['edge2']),
      }),
    ).toEqual(NOTHING);
    expect(
      await noticed({
        happen: async () => await clusterf('undrain', 'balancer', 'edge1'),
        converge: async () => await scene.balancing(EDGES),
      }),
    ).toEqual(NOTHING);
  });

  test('can be waited for: until no connection to it is left', async () => {
    expect(await clusterf('drain', 'host', 'host2', '--wait', '5m')).toContain('no active connection is left');
    await clusterf('undrain', 'host', 'host2');
  });
});
