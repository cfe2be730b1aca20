/** What can befall a cluster while clients are at it. */
import { until } from '../../fixtures/until.js';
import { CONTROL } from '../description.js';
import type { Place } from '../place.js';
import type { Event } from './measure.js';
import type { Outcome } from './outcome.js';
import { EDGES, type EdgeName, type Scene, WEB, WEIGHT } from './scene.js';

export interface Situation {
  readonly title: string;
  /** The balancers at work before it. */
  readonly balancers: readonly EdgeName[];
  readonly event: (scene: Scene) => Event;
  /** Ends what goes on; resolves when all that was to happen meanwhile has happened. */
  readonly heal?: (scene: Scene) => Promise<unknown>;
  /** Makes good what is not made good by `balancers`. */
  readonly restore?: (scene: Scene) => Promise<unknown>;
}

/** How long registrations outlive their host: what a cluster has by default. */
const TTL = 4000;

/** Of host1 with another container. */
const MORE = WEIGHT + 10;

/** Linux's net.ipv4.fib_multipath_hash_policy: by addresses alone, or by what sysctl/router.conf names. */
const [ADDRESSES, FIELDS] = [0, 3];

async function hashBy(router: Place, policy: number): Promise<void> {
  const settings = ['ipv4', 'ipv6'].map((family) => `net.${family}.fib_multipath_hash_policy=${policy}`);
  await router.run('sysctl', '-qw', ...settings);
}

export const SITUATIONS = {
  rehashed: {
    title: 'the router hashes otherwise',
    balancers: EDGES,
    event: ({ cluster }) => ({
      happen: async () => await hashBy(cluster.router.place, ADDRESSES),
      converge: async () => undefined,
    }),
    restore: async ({ cluster }) => await hashBy(cluster.router.place, FIELDS),
  },
  withdrawn: {
    title: 'a balancer is taken out',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await scene.withdraw('edge1'),
      converge: async () => await scene.balancing(['edge2']),
    }),
  },
  added: {
    title: 'a balancer is added',
    balancers: ['edge2'],
    event: (scene) => ({
      happen: async () => await scene.add('edge1'),
      converge: async () => await scene.balancing(EDGES),
    }),
  },
  killed: {
    title: 'a balancer dies',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await scene.kill('edge1'),
      converge: async () => await scene.balancing(['edge2']),
    }),
  },
  changedAndKilled: {
    title: 'a host is drained and a container added, and at once a balancer dies',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => {
        await change(scene, EDGES);
        await scene.kill('edge1');
      },
      converge: async () => await scene.balancing(['edge2']),
    }),
    restore: async (scene) => await changeBack(scene, ['edge2']),
  },
  killedAndChanged: {
    title: 'a balancer dies, and meanwhile a host is drained and a container added',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await Promise.all([scene.kill('edge1'), change(scene, ['edge2'])]),
      converge: async () => await scene.balancing(['edge2']),
    }),
    restore: async (scene) => await changeBack(scene, ['edge2']),
  },
  memberLost: {
    title: 'etcd loses one of three members; a container is added',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await stopMembers(scene, 1),
      converge: async () => await addContainer(scene, EDGES),
    }),
    heal: startMembers,
    restore: async (scene) => await removeContainer(scene, EDGES),
  },
  majorityLost: {
    title: 'etcd loses two of three members; a container is added',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await stopMembers(scene, 2),
      converge: async () => {
        await addContainer(scene, []);
        const began = Date.now();
        await until('what is registered would have lapsed', () => Date.now() - began > 1.5 * TTL);
      },
    }),
    heal: async (scene) => {
      await startMembers(scene);
      for (const name of EDGES) await scene.weighs(name, 'host1', MORE);
    },
    restore: async (scene) => await removeContainer(scene, EDGES),
  },
  partitioned: {
    title: 'a balancer is cut off from etcd; a container is added',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await scene.cluster.place('edge1').cut(CONTROL),
      converge: async () => await addContainer(scene, ['edge2']),
    }),
    heal: async (scene) => {
      await scene.cluster.place('edge1').heal(CONTROL);
      await scene.weighs('edge1', 'host1', MORE);
    },
    restore: async (scene) => await removeContainer(scene, EDGES),
  },
  hostKilled: {
    title: 'a Docker host dies',
    balancers: EDGES,
    event: (scene) => ({
      happen: async () => await scene.cluster.destroy('host2'),
      converge: async () => {
        for (const name of EDGES) await scene.cluster.balanced(name, WEB, 1);
      },
    }),
  },
} as const satisfies Readonly<Record<string, Situation>>;

export type SituationName = keyof typeof SITUATIONS;

/** A host is drained and another gets a container; in force when it resolves. */
async function change(scene: Scene, balancers: readonly EdgeName[]): Promise<void> {
  await Promise.all([scene.exclude('host2'), addContainer(scene, balancers)]);
  for (const name of balancers) await scene.cluster.balanced(name, WEB, 1);
}

async function changeBack(scene: Scene, balancers: readonly EdgeName[]): Promise<void> {
  await Promise.all([scene.admit(), removeContainer(scene, balancers)]);
  for (const name of balancers) await scene.weighs(name, 'host2', WEIGHT);
}

/** @param balancers that are to know of it when it resolves */
async function addContainer(scene: Scene, balancers: readonly EdgeName[]): Promise<void> {
  await scene.cluster.machine('host1').containers.start('host1-3', 'web');
  for (const name of balancers) await scene.weighs(name, 'host1', MORE);
}

async function removeContainer(scene: Scene, balancers: readonly EdgeName[]): Promise<void> {
  await scene.cluster.machine('host1').containers.stop('host1-3');
  for (const name of balancers) await scene.weighs(name, 'host1', WEIGHT);
}

/** The last so many of etcd's members lose their power. */
async function stopMembers({ cluster }: Scene, count: number): Promise<void> {
  await Promise.all(cluster.etcd.members.slice(-count).map(async (member) => await member.stop('SIGKILL')));
}

/** Those that do not run; what etcd kept on disk is still there. */
async function startMembers({ cluster }: Scene): Promise<void> {
  const { members } = cluster.etcd;
  for (const member of members) if (!member.isRunning) member.start();
  await Promise.all(members.map(async (member) => await member.healthy()));
}

/** Has it happen, with clients at it; then all is as it was. */
export async function undergo(scene: Scene, situation: Situation): Promise<Outcome> {
  await scene.balancers(situation.balancers);
  const outcome = await scene.measure(situation.event(scene));
  const healed = Date.now();
  await situation.heal?.(scene);
  const caughtUp = Date.now() - healed;
  await situation.restore?.(scene);
  return situation.heal === undefined ? outcome : { ...outcome, caughtUp };
}
