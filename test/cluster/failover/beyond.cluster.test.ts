/** What becomes of connections, and of changes, when something befalls etcd, the way to it, or a Docker host. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Outcome } from './outcome.js';
import { Scene } from './scene.js';
import { SITUATIONS, type SituationName, undergo } from './situations.js';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start('mh', { members: 3 });
});
afterAll(async () => await scene?.[Symbol.asyncDispose]());

const UNHEEDED: readonly (readonly [string, SituationName])[] = [
  ['etcd loses one of three members: traffic goes on, and so do changes', 'memberLost'],
  ['etcd loses two of three members: traffic goes on, and changes are made when they are back', 'majorityLost'],
  ['a balancer loses etcd: traffic goes on, and it catches up', 'partitioned'],
];

test.each(UNHEEDED)('%s', async (_, name) => {
  const outcome = await undergo(scene, SITUATIONS[name]);
  expect(outcome.losses).toEqual([]);
  expect(outcome.requests).toMatchObject({ failed: 0 });
});

/** The last: nobody makes the host good again. */
test('a Docker host dies: its own connections break and no others, and new ones go elsewhere when its lease is over', async () => {
  const host = scene.cluster.machine('host2').address;
  const outcome: Outcome = await undergo(scene, SITUATIONS.hostKilled);
  const destinations = new Set(outcome.losses.map(({ destination }) => destination));
  expect([...destinations].toSorted()).toEqual([host.ipv4, host.ipv6]);
  expect(outcome.requests.troubled).toBeLessThan(outcome.converged + 1000);
});
