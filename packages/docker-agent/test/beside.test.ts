import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { createLogger } from '@clusterf/daemon';
import { memoryRegistrations, MemoryTree } from '@clusterf/store';
import { until } from '../../../test/fixtures/until.js';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { runAgent } from '../src/agent.js';
import type { Engine } from '../src/container.js';
import { Report } from '../src/report.js';
import { container } from './observer.js';

const log = createLogger({
  level: 'error',
  format: 'json',
  stream: new Writable({ write: (_chunk, _encoding, done) => done() }),
});
const RUN = { version: '1', machine: 'm', pid: 1, started: '2026-01-01T00:00:00.000Z' };
const SETTINGS = {
  hostName: 'host1',
  network: undefined,
  requireExposed: false,
  allowFrontend: [],
  routeNetworks: [],
  routeGateway4: undefined,
  routeGateway6: undefined,
  routeMethod: undefined,
  resync: 60_000,
  inspectParallel: 1,
  minUptime: 0,
  once: false,
  exitFlush: true,
  exitDrain: undefined,
};

/** A Docker with one labelled container, of which nothing more is ever heard. */
const ENGINE: Engine = {
  recall: async () => ({ events: [], now: 0 }),
  list: async () => [container()],
  inspect: async () => container(),
  networks: async () => [],
  subscribe: async (_since, signal) =>
    (async function* () {
      yield await new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(new Error('aborted'))),
      );
    })(),
};

/** An agent that is to remove its registrations at its end, and has registered. */
async function registered() {
  const tree = MemoryTree.unread();
  const end = new AbortController();
  const clock = new ManualClock();
  const report = new Report({
    engine: ENGINE,
    ending: end.signal,
    run: RUN,
    host: 'host1',
    docker: 'unix:///docker.sock',
    tree: tree.url,
    resync: SETTINGS.resync,
    observer: {
      event: () => {},
      inspect: () => {},
      listing: () => {},
      loss: () => {},
      registration: () => {},
      eventToEtcd: () => {},
    },
    clock,
    log,
  });
  const parts = {
    open: () => memoryRegistrations(tree),
    print: undefined,
    lookUp: async () => ({}),
    report,
    clock,
    log,
    run: RUN,
  };
  const running = runAgent(parts, SETTINGS, end.signal);
  await until('it is registered', () => tree.entries.size === 1);
  return { tree, end, running };
}

test('an agent that is told to end does what it is to do at its end', async () => {
  const { tree, end, running } = await registered();
  end.abort();
  await running;
  expect(tree.entries.size).toBe(0);
});

test('an agent that ends since what runs beside it failed leaves its registrations to the next run', async () => {
  const { tree, end, running } = await registered();
  const failure = new Error('the other failed');
  end.abort(failure);
  await expect(running).rejects.toBe(failure);
  expect(tree.entries.size).toBe(1);
});
