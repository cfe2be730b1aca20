import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Logger } from '@clusterf/daemon';
import { ConfigTree, type Problem } from '@clusterf/model';
import { type EtcdOptions, openRegistrations, openSource } from '@clusterf/store';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { BalancerStatus, statusSource, type SummarisedStatus } from '../src/balancer-status.js';
import { STATUS } from './status-fixture.js';

const KEY = '/clusterf/balancers/lb1/status';

const SUMMARY = {
  version: '1.2.3',
  machine: 'lb1.example',
  pid: 4711,
  started: '2026-01-01T00:00:00.000Z',
  ready: true,
  virtualServices: 3,
  destinations: 12,
  problems: 3,
  quarantined: 1,
  brake: true,
  held: 7,
  draining: 2,
  retrying: 1,
  refused: ['tcp 10.0.0.2:80'],
  foreign: 1,
  tree: '00000000000000a7',
  table: '00000000000000b7',
  vipInterface: 'clusterf0',
  onlyHost: null,
  drained: [
    { kind: 'host', name: 'docker1', destinations: 3, shared: 1, activeConnections: 7 },
    { kind: 'backend', name: 'web/a', since: '2026-01-01T00:00:00.000Z', destinations: 1, shared: 0 },
    { kind: 'balancer', name: 'lb1', bound: 2 },
  ],
};

function quiet(say: (message: string) => void): Logger {
  const log: Logger = { error: say, warn: say, info: say, debug: () => {}, with: () => log, close: async () => {} };
  return log;
}

class Published implements AsyncDisposable {
  status: SummarisedStatus = STATUS;
  problems: readonly Problem[] = [];
  /** How often it has looked at the status. */
  looks = 0;
  readonly clock = new ManualClock();
  readonly said: string[] = [];
  readonly entry: BalancerStatus;

  constructor(etcd: EtcdProcess, options: EtcdOptions = {}) {
    const url = `etcd://${etcd.host}/clusterf`;
    this.entry = new BalancerStatus({
      balancer: 'lb1',
      source: url,
      open: (claim, onEvent) =>
        openRegistrations({
          url,
          etcd: options,
          ttl: 2_000,
          claim,
          onEvent,
          timing: { timeout: 1_000, renew: 300, verify: 200, backoff: { first: 20, most: 100 } },
        }),
      status: () => {
        this.looks += 1;
        return {
          ...this.status,
          sources: STATUS.sources.map((source, index) => (index === 0 ? { ...source, url } : source)),
        };
      },
      log: quiet((message) => void this.said.push(message)),
      clock: this.clock,
      onProblems: (problems) => {
        this.problems = problems;
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.entry.close();
  }
}

/** What etcd has of it now. */
async function read(etcd: EtcdProcess): Promise<Record<string, unknown> | undefined> {
  const { [KEY]: text } = await etcd.read(KEY);
  return text === undefined ? undefined : JSON.parse(text);
}

describe('with an etcd that stays up', () => {
  let etcd: EtcdProcess;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });
  beforeEach(async () => etcd.remove(KEY));

  test('the status appears at once, in few words', async () => {
    await using published = new Published(etcd);
    expect(await until('it is there', async () => read(etcd))).toEqual(SUMMARY);
    await until('it knows', () => published.entry.publication.published);
    expect(published.problems).toEqual([]);
  });

  test('what changes is written, but not every time it does', async () => {
    await using published = new Published(etcd);
    await until('it is there', async () => read(etcd));
    for (let destinations = 13; destinations <= 1_000; destinations += 1) {
      published.status = { ...STATUS, destinations };
      published.entry.changed();
    }
    expect(published.looks).toBe(1);
    await published.clock.advance(2_000);
    expect(published.looks).toBe(2);
    await until('the last change is there', async () => (await read(etcd))?.['destinations'] === 1_000);
    expect(await etcd.version(KEY)).toBe(2);
    await published.clock.advance(2_000);

    published.status = { ...STATUS, held: [] };
    published.entry.changed();
    await until('a change after a while is there without a wait', async () => (await read(etcd))?.['brake'] === false);
    expect(await etcd.version(KEY)).toBe(3);
  });

  test('what did not change is not written again', async () => {
    await using published = new Published(etcd);
    await until('it is published', () => published.entry.publication.published);
    for (let i = 0; i < 5; i += 1) {
      await published.clock.advance(2_000);
      published.entry.changed();
      expect(published.entry.publication.published).toBe(true);
    }
    published.status = { ...STATUS, ready: false };
    published.entry.changed();
    await published.clock.advance(2_000);
    await until('a change is there', async () => (await read(etcd))?.['ready'] === false);
    expect(await etcd.version(KEY)).toBe(2);
  });

  test('it goes with the lease when the agent ends, and not before', async () => {
    const published = new Published(etcd);
    await until('it is there', async () => read(etcd));
    await published.entry.close();
    expect(await read(etcd)).toEqual({ ...SUMMARY, stopped: expect.any(String) });
    expect(published.clock.timers).toBe(0);
    published.entry.changed();
    await until('it is gone', async () => (await read(etcd)) === undefined);
  });

  test('it comes back when somebody deletes it, and whoever did is mentioned', async () => {
    await using published = new Published(etcd);
    await until('it is there', async () => read(etcd));
    await etcd.remove(KEY);
    await until('it is there again', async () => read(etcd));
    expect(published.said).toContain('status removed by somebody else and put right');
  });

  test('of two balancers of one name the second is told who has it, writes nothing, and takes over when that ends', async () => {
    const first = new Published(etcd);
    await until('it is there', () => first.entry.publication.published);
    await using second = new Published(etcd);
    second.status = { ...STATUS, machine: 'lb2.example', pid: 1 };
    second.entry.changed();
    const [problem] = await until('the second to be told', () => second.problems.length > 0 && second.problems);
    expect(problem).toEqual({
      source: `etcd://${etcd.host}/clusterf`,
      key: 'balancers/lb1/status',
      message: expect.stringMatching(/held by another agent, which is alive \(machine lb1.example, process 4711, /),
    });
    second.status = { ...second.status, destinations: 99 };
    second.entry.changed();
    await second.clock.advance(10_000);
    await until('the second to look again', () => second.said.filter((line) => line.includes('may have')).length > 0);
    expect(await read(etcd)).toEqual(SUMMARY);
    expect([await etcd.version(KEY), first.problems, second.entry.publication.published]).toEqual([1, [], false]);

    await first.entry.close();
    await until('the second to take over', async () => {
      await second.clock.advance(10_000);
      return second.entry.publication.published;
    });
    expect(await read(etcd)).toMatchObject({ machine: 'lb2.example', destinations: 99 });
    expect(second.problems).toEqual([]);
  });

  test("the balancer's own watch sees it, and takes it for no configuration and no problem", async () => {
    await using published = new Published(etcd);
    const source = openSource(`etcd://${etcd.host}/clusterf`);
    const tree = new ConfigTree([source.url]);
    const stop = new AbortController();
    for await (const event of source.events(stop.signal)) {
      const { services, routes, sync } = tree.apply(0, event);
      expect([services.size, routes, sync, tree.problems]).toEqual([0, false, false, []]);
      if (event.type === 'changes' && event.changes.get('balancers/lb1/status')?.includes('"destinations":99')) break;
      published.status = { ...STATUS, destinations: 99 };
      published.entry.changed();
      await published.clock.advance(2_000);
    }
    stop.abort();
  });
});

describe('with an etcd that has its troubles', () => {
  let etcd: EtcdProcess;
  beforeEach(async () => {
    etcd = await startEtcd();
  });
  afterEach(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('that lost everything, it comes back', async () => {
    await using published = new Published(etcd);
    await until('it is there', async () => read(etcd));
    await etcd.restartEmpty();
    expect(await until('it is there again', async () => read(etcd))).toEqual(SUMMARY);
    await until('nothing is wrong any more', () => published.problems.length === 0);
  });

  test('that is away, it is a problem, and holds up neither changes nor the end', async () => {
    await etcd.stop();
    const published = new Published(etcd);
    await until('the problem', () => published.problems.length > 0);
    expect(published.problems).toEqual([
      {
        source: `etcd://${etcd.host}/clusterf`,
        key: 'balancers/lb1/status',
        message: expect.stringContaining('the status cannot be published'),
      },
    ]);
    expect(published.entry.publication.published).toBe(false);
    published.status = { ...STATUS, destinations: 99 };
    published.entry.changed();
    await published.clock.advance(2_000);
    await etcd.start();
    await until('the latest is there', async () => (await read(etcd))?.['destinations'] === 99);
    await until('the problem is solved', () => published.problems.length === 0);
    etcd.freeze();
    await published.entry.close();
  });

  test('that refuses it, it is a problem until it is allowed', async () => {
    await etcd.call('auth/user/add', ROOT);
    await etcd.call('auth/user/add', { name: 'lb', password: ROOT.password });
    for (const name of ['root', 'reader']) await etcd.call('auth/role/add', { name });
    await etcd.call('auth/user/grant', { user: 'root', role: 'root' });
    await etcd.call('auth/user/grant', { user: 'lb', role: 'reader' });
    await etcd.call('auth/enable', {});
    const grant = async (permission: string) =>
      etcdctl(etcd, 'role', 'grant-permission', '--prefix', 'reader', permission, '/clusterf/');
    await grant('read');

    await using published = new Published(etcd, { user: 'lb', passwordFile: await passwordFile() });
    await until('the problem', () => published.problems.length > 0);
    expect(published.problems[0]?.message).toContain('permission denied');
    expect(published.entry.publication.published).toBe(false);
    await grant('readwrite');
    await until('it is there', () => published.entry.publication.published);
    expect(published.problems).toEqual([]);
  });
});

const ROOT = { name: 'root', password: 'secret' };

async function etcdctl(etcd: EtcdProcess, ...words: readonly string[]): Promise<void> {
  const login = ['--endpoints', etcd.host, '--user', `${ROOT.name}:${ROOT.password}`];
  await promisify(execFile)('etcdctl', [...login, ...words], { env: { ...process.env, ETCDCTL_API: '3' } });
}

async function passwordFile(): Promise<string> {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-balancer-status-'));
  const file = join(directory, 'password');
  await writeFile(file, ROOT.password);
  return file;
}

let directory: string | undefined;
afterAll(async () => {
  if (directory !== undefined) await rm(directory, { recursive: true });
});

test('of several sources the first etcd has it, and a tree of files has none', () => {
  const sources = ['file:///etc/clusterf', 'etcd+https://h:2379/one', 'etcd+http://h:2379/two'];
  expect(statusSource(sources)).toBe('etcd+https://h:2379/one');
  expect(statusSource(['file:///etc/clusterf'])).toBeUndefined();
});

test('a name that cannot be part of a key is refused before anything is opened', () => {
  const options = {
    balancer: 'a/b',
    source: 'etcd://127.0.0.1/clusterf',
    open: () => {
      throw new Error('opened');
    },
    status: () => STATUS,
    log: quiet(() => {}),
    clock: new ManualClock(),
    onProblems: () => {},
  };
  expect(() => new BalancerStatus(options)).toThrow('contains "/"');
});
