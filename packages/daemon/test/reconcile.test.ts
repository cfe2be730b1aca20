import { describe, expect, test } from '@jest/globals';
import { type PassReason, ReconcileLoop } from '../src/reconcile.js';
import { ManualClock, settled } from './manual-clock.js';

/** A loop whose passes end when the test says so. */
function scene({ resync = 0, fatal = false } = {}) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const passes: PassReason[] = [];
  const failures: [string, number][] = [];
  let end: ((error?: Error) => void) | undefined;
  const loop = new ReconcileLoop({
    clock,
    resync,
    backoff: { initial: 100, max: 400, random: () => 0 },
    pass: (reason) => {
      expect(end).toBeUndefined();
      passes.push(reason);
      return new Promise((resolve, reject) => {
        end = (error) => {
          end = undefined;
          if (error === undefined) resolve();
          else reject(error);
        };
      });
    },
    onFailure: (error, retryIn) => {
      if (fatal) throw error;
      failures.push([error.message, retryIn]);
    },
  });
  const running = loop.run(stop.signal);
  let stopped = false;
  const ended = running
    .finally(() => {
      stopped = true;
    })
    .catch(() => undefined);
  return {
    clock,
    loop,
    passes,
    failures,
    running,
    stop: () => stop.abort(),
    async pass(error?: Error) {
      await settled();
      if (end === undefined) throw new Error('no pass is under way');
      end(error);
      await settled();
    },
    hasStopped: async () => {
      await settled();
      return stopped;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      end?.();
      await ended;
      expect(clock.timers).toBe(0);
    },
  };
}

describe('triggers', () => {
  test('nothing runs before the first, however long that takes', async () => {
    await using s = scene({ resync: 1_000 });
    await s.clock.advance(60_000);
    expect(s.passes).toEqual([]);
  });

  test('a trigger before run is not lost', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const passes: PassReason[] = [];
    const loop = new ReconcileLoop({
      clock,
      resync: 0,
      onFailure: () => {},
      pass: async (reason) => {
        passes.push(reason);
        stop.abort();
      },
    });
    loop.trigger();
    await loop.run(stop.signal);
    expect(passes).toEqual(['trigger']);
  });

  test('many at once make one pass', async () => {
    await using s = scene();
    for (let i = 0; i < 100; i += 1) s.loop.trigger();
    await s.pass();
    expect(s.passes).toEqual(['trigger']);
  });

  test('those during a pass make one more after it', async () => {
    await using s = scene();
    s.loop.trigger();
    await settled();
    s.loop.trigger();
    s.loop.trigger();
    await s.pass();
    expect(s.passes).toEqual(['trigger', 'trigger']);
    await s.pass();
    expect(s.passes).toHaveLength(2);
  });
});

describe('resync', () => {
  test('comes at its interval', async () => {
    await using s = scene({ resync: 1_000 });
    s.loop.trigger();
    await s.pass();
    await s.clock.advance(999);
    expect(s.passes).toEqual(['trigger']);
    await s.clock.advance(1);
    await s.pass();
    await s.clock.advance(1_000);
    await s.pass();
    expect(s.passes).toEqual(['trigger', 'resync', 'resync']);
  });

  test('is not put off by an endless stream of triggers', async () => {
    await using s = scene({ resync: 1_000 });
    for (let i = 0; i < 25; i += 1) {
      s.loop.trigger();
      await s.pass();
      await s.clock.advance(100);
      if (s.passes.at(-1) === 'resync') await s.pass();
    }
    expect(s.passes.filter((reason) => reason === 'resync')).toHaveLength(2);
  });

  test('that falls into a pass follows it', async () => {
    await using s = scene({ resync: 1_000 });
    s.loop.trigger();
    await s.clock.advance(1_500);
    s.loop.trigger();
    await s.pass();
    expect(s.passes).toEqual(['trigger', 'resync']);
  });
});

describe('a failed pass', () => {
  test('is retried with growing delays, up to the most, until one succeeds', async () => {
    await using s = scene();
    s.loop.trigger();
    for (const delay of [100, 200, 400, 400]) {
      await s.pass(new Error('no'));
      const before = s.passes.length;
      await s.clock.advance(delay - 1);
      expect(s.passes).toHaveLength(before);
      await s.clock.advance(1);
      expect(s.passes.at(-1)).toBe('retry');
    }
    await s.pass();
    await s.clock.advance(10_000);
    expect(s.passes).toEqual(['trigger', 'retry', 'retry', 'retry', 'retry']);
    expect(s.failures.map(([, retryIn]) => retryIn)).toEqual([100, 200, 400, 400]);
  });

  test('is retried soon again after a success between', async () => {
    await using s = scene();
    for (let i = 0; i < 2; i += 1) {
      s.loop.trigger();
      await s.pass(new Error('no'));
      await s.clock.advance(100);
      await s.pass();
    }
    expect(s.failures).toEqual([
      ['no', 100],
      ['no', 100],
    ]);
  });

  test('does not hold back a trigger, which takes the place of the retry', async () => {
    await using s = scene();
    s.loop.trigger();
    await s.pass(new Error('no'));
    s.loop.trigger();
    await s.pass();
    await s.clock.advance(10_000);
    expect(s.passes).toEqual(['trigger', 'trigger']);
  });

  test('ends the loop where the agent says so', async () => {
    await using s = scene({ fatal: true });
    s.loop.trigger();
    await s.pass(new TypeError('a bug'));
    await expect(s.running).rejects.toThrow('a bug');
  });
});

describe('stopping', () => {
  test('waits for the pass in flight, and starts no other', async () => {
    await using s = scene();
    s.loop.trigger();
    await settled();
    s.loop.trigger();
    s.stop();
    expect(await s.hasStopped()).toBe(false);
    await s.pass();
    expect(await s.hasStopped()).toBe(true);
    expect(s.passes).toHaveLength(1);
  });

  test('while idle is immediate', async () => {
    await using s = scene({ resync: 1_000 });
    s.loop.trigger();
    await s.pass();
    s.stop();
    expect(await s.hasStopped()).toBe(true);
  });
});
