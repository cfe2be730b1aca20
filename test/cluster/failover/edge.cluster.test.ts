/** What becomes of connections when something befalls the balancers that they pass, by what the balancers do about it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KINDS, type Kind, type Outcome } from './outcome.js';
import type { ProfileName } from './profiles.js';
import { DETECTION, Scene } from './scene.js';
import { SITUATIONS, type SituationName, undergo } from './situations.js';

/** What is promised; docs/failover.md says the same, and why the rest is not. */
interface Promised {
  readonly title: string;
  readonly profile: ProfileName;
  /** Which connections live. */
  readonly kinds: readonly Kind[];
  readonly situations: readonly SituationName[];
}

const PROMISES: readonly Promised[] = [
  {
    title: 'with sync daemons, no connection older than 3 s breaks',
    profile: 'sync',
    kinds: ['talking', 'idle'],
    situations: ['rehashed', 'withdrawn', 'killed'],
  },
  {
    title: 'with mh, no connection of any age breaks',
    profile: 'mh',
    kinds: KINDS,
    situations: ['rehashed', 'withdrawn', 'added', 'killed'],
  },
  {
    title: 'with mh and sync daemons, no connection of any age breaks',
    profile: 'both',
    kinds: KINDS,
    situations: ['added', 'killed', 'changedAndKilled', 'killedAndChanged'],
  },
];

describe.each(PROMISES)('$title', ({ profile, kinds, situations }) => {
  let scene: Scene;

  beforeAll(async () => {
    scene = await Scene.start(profile);
  });
  afterAll(async () => await scene?.[Symbol.asyncDispose]());

  test.each(situations.map((name) => [SITUATIONS[name].title, name] as const))('when %s', async (_, name) => {
    const outcome = await undergo(scene, SITUATIONS[name]);
    expect(outcome.losses.filter(({ kind }) => kinds.some((promised) => promised === kind))).toEqual([]);
    expect(outcome.longestGap).toBeLessThan(3 * DETECTION);
    // Nobody is saved who was in no danger.
    expect(movedOf(outcome, kinds)).toBeGreaterThan(kinds.length);
  });
});

describe('with a router that keeps flows where they are', () => {
  let scene: Scene;

  beforeAll(async () => {
    scene = await Scene.start('resilient');
  });
  afterAll(async () => await scene?.[Symbol.asyncDispose]());

  test('when a balancer is added, no connection moves, and none breaks', async () => {
    const outcome = await undergo(scene, SITUATIONS.added);
    expect(outcome.losses).toEqual([]);
    expect(movedOf(outcome, KINDS)).toBe(0);
  });
});

function movedOf({ connections }: Outcome, kinds: readonly Kind[]): number {
  return kinds.reduce((sum, kind) => sum + connections[kind].moved, 0);
}
