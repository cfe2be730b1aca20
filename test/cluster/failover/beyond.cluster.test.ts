/** What becomes of connections, and of changes, when a balancer's way to etcd or a Docker host is gone. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Outcome } from './outcome.js';
import { Scene } from './scene.js';
import { SITUATIONS, undergo } from './situations.js';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start('mh', { members: 3 });
});
afterAll(async () => await scene?.[Symbol.asyncDispose]());

test('a balancer loses etcd: traffic goes on, and it catches up', async () => {
  const outcome = await undergo(scene, SITUATIONS.partitioned);
  expect(outcome.losses).toEqual([]);
  expect(outcome.requests).toMatchObject({ failed: 0 });
});

test('etcd loses one of three members: a container that starts is in force with the others', async () => {
  const outcome = await undergo(scene, SITUATIONS.memberLost);
  expect(outcome.losses).toEqual([]);
  expect(outcome.requests).toMatchObject({ failed: 0 });
});

test('etcd loses its majority: traffic goes on, and what changed meanwhile is in force when it is back', async () => {
  const outcome = await undergo(scene, SITUATIONS.majorityLost);
  expect(outcome.losses).toEqual([]);
  expect(outcome.requests).toMatchObject({ failed: 0 });
});

/** The last: nobody makes the host good again. */
test('a Docker host dies: its own connections break and no others, and new ones go elsewhere when its lease is over', async () => {
  const host = scene.cluster.machine('host2').address;
  const outcome: Outcome = await undergo(scene, SITUATIONS.hostKilled);
  const own = [host.ipv4, host.ipv6];
  expect(outcome.losses.filter(({ destination }) => !own.includes(destination))).toEqual([]);
  expect(new Set(outcome.losses.map(({ destination }) => destination)).size).toBe(2);
  expect(outcome.requests.troubled).toBeLessThan(outcome.converged + 1000);
});
