import { once } from 'node:events';
import { setImmediate as settled } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { isAbortedByFailure } from '@clusterf/daemon';
import { Pair } from '../../src/up/pair.js';

async function ended(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

test('told to end, the docker-agent ends first, and the balancer only when that is done', async () => {
  const stop = new AbortController();
  const pair = new Pair(stop.signal);
  const happened: string[] = [];
  const farewell = new AbortController();
  const running = pair.run(
    async () => {
      await ended(pair.docker);
      happened.push('docker told');
      await ended(farewell.signal);
      happened.push('docker ended');
    },
    async () => {
      await ended(pair.balancer);
      happened.push(`balancer told${isAbortedByFailure(pair.balancer) ? ' of a failure' : ''}`);
    },
  );
  stop.abort();
  await settled();
  expect(happened).toEqual(['docker told']);
  farewell.abort();
  await running;
  expect(happened).toEqual(['docker told', 'docker ended', 'balancer told']);
});

test.each(['docker', 'balancer'] as const)(
  'when the agent for the %s fails the other is ended, knows that it was a failure, and the failure is told',
  async (failing) => {
    const other = failing === 'docker' ? 'balancer' : 'docker';
    const pair = new Pair(new AbortController().signal);
    let known: unknown;
    const halves = {
      [failing]: async () => {
        await settled();
        throw new Error(`${failing} failed`);
      },
      [other]: async () => {
        await ended(pair[other]);
        known = isAbortedByFailure(pair[other]);
        throw new Error('in consequence');
      },
    };
    const run = (name: string) => halves[name] ?? (async () => {});
    await expect(pair.run(run('docker'), run('balancer'))).rejects.toThrow(`${failing} failed`);
    expect(known).toBe(true);
  },
);
