import { expect, test } from '@jest/globals';
import { array, assert, asyncProperty, nat } from 'fast-check';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { Inspections } from '../src/inspections.js';

/** Inspects that end when the test says so. */
function scene(parallel: number, rest = 0) {
  const clock = new ManualClock();
  const started: string[] = [];
  const underWay = new Map<string, () => void>();
  const inspections = new Inspections({
    parallel,
    clock,
    rest,
    inspect: (id) => {
      expect(underWay.has(id)).toBe(false);
      started.push(id);
      return new Promise((resolve) => underWay.set(id, resolve));
    },
  });
  return {
    clock,
    inspections,
    started,
    underWay,
    finish: async (id: string) => {
      const end = underWay.get(id);
      underWay.delete(id);
      end?.();
      await clock.advance(0);
    },
  };
}

test('many requests for one container before its inspect starts are one inspect', async () => {
  const { inspections, started, finish } = scene(1);
  const first = inspections.request('a');
  const requests = [1, 2, 3].map(() => inspections.request('b'));
  await finish('a');
  await finish('b');
  await Promise.all([first, ...requests]);
  expect(started).toEqual(['a', 'b']);
});

test('a request during an inspect causes one more: the answer under way may be older than its cause', async () => {
  const { inspections, started, finish } = scene(8);
  const first = inspections.request('a');
  const second = inspections.request('a');
  let seen = false;
  void second.finally(() => {
    seen = true;
  });
  await finish('a');
  await first;
  expect({ started, seen }).toEqual({ started: ['a', 'a'], seen: false });
  await finish('a');
  await second;
  expect(started).toHaveLength(2);
});

test('between two inspects of one container there is a rest; of others there is none', async () => {
  const { clock, inspections, started, finish } = scene(8, 100);
  void inspections.request('a');
  void inspections.request('a');
  await finish('a');
  void inspections.request('b');
  await clock.advance(99);
  expect(started).toEqual(['a', 'b']);
  await clock.advance(1);
  expect(started).toEqual(['a', 'b', 'a']);
});

test('no more than the limit are under way, and all come to their turn', async () => {
  const { inspections, started, underWay, finish } = scene(3);
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const done = Promise.all(ids.map((id) => inspections.request(id)));
  while (underWay.size > 0) {
    expect(underWay.size).toBeLessThanOrEqual(3);
    const [next = ''] = underWay.keys();
    await finish(next);
  }
  await done;
  expect(started).toEqual(ids);
});

test('whatever is asked for in whatever order, each request is followed by an inspect, never two of one at once', async () => {
  await assert(
    asyncProperty(array(nat({ max: 9 }), { maxLength: 40 }), async (steps) => {
      const { inspections, started, underWay, finish } = scene(2);
      const requests: Promise<boolean>[] = [];
      for (const step of steps) {
        const id = String(step % 4);
        if (step < 6) {
          const before = started.length;
          requests.push(inspections.request(id).then(() => started.slice(before).includes(id)));
        } else {
          const [next = ''] = underWay.keys();
          await finish(next);
        }
      }
      while (underWay.size > 0) {
        const [next = ''] = underWay.keys();
        await finish(next);
      }
      expect(await Promise.all(requests)).not.toContain(false);
    }),
    { numRuns: 50 },
  );
});
