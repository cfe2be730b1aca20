// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { PASS, startDockerProxy } from '../../../test/fixtures/docker-proxy.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { bridgeSocket } from '../../../test/fixtures/socketBridge.js';
import { until } from '../../../test/fixtures/until.js';
import { PATIENCE } from './observer.js';

let dockerd: Dockerd;
let etcd: EtcdProcess;

beforeAll(async () => {
  [dockerd, etcd] = await Promise.all([startDockerd(), startEtcd()]);
});
afterAll(async () => {
  await Promise.all([dockerd[Symbol.asyncDispose](), etcd[Symbol.asyncDispose]()]);
});

interface Where {
  readonly docker?: string;
  readonly host?: string;
  readonly etcdHost?: string;
}

/** Every test has a tree and a service of its own, and the agent's name for it. */
function agent(tree: string, args: readonly string[] = [], where: Where = {}): AgentProcess {
  return new AgentProcess('clusterf-docker', [
    `--config-source=etcd://${where.etcdHost ?? etcd.host}/${tree}`,
    `--docker-endpoint=${where.docker ?? dockerd.endpoint}`,
    `--host-name=${where.host ?? 'host1'}`,
    ...args,
  ]);
}

function run(service: string, ...labels: readonly string[]): Promise<string> {
  const all = [`clusterf.service=${service}`, 'clusterf.backend.tcp=80', ...labels];
  return dockerd.runContainer(all.flatMap((label) => ['--label', label]));
}

async function value(key: string): Promise<Record<string, unknown> | undefined> {
  const { [key]: text } = await etcd.read(key);
  return text === undefined ? undefined : JSON.parse(text);
}

async function hasWeight(key: string, weight: number): Promise<void> {
  await until(`${key} has weight ${weight}`, async () => (await value(key))?.['weight'] === weight, PATIENCE);
}

/** The lease that a key hangs on. */
async function leaseOf(key: string): Promise<unknown> {
  const answer = await etcd.call('kv/range', { key: Buffer.from(key).toString('base64') });
  return Reflect.get(Object(Reflect.get(Object(answer), 'kvs')[0]), 'lease');
}

/** Waits by etcd's own clock, which counts the leases. */
async function expired(lease: unknown): Promise<void> {
  await until(
    `lease ${String(lease)} has expired`,
    async () => Reflect.get(Object(await etcd.call('lease/timetolive', { ID: lease })), 'TTL') === '-1',
    PATIENCE,
  );
}

test('a host shows who registers for it, and what', async () => {
  await run('status');
  await using first = agent('status', ['--ttl=3s']);
  const key = '/status/hosts/host1/status';
  const status = await until('it has counted', async () => {
    const found = await value(key);
    return Number(found?.['containers']) > 0 ? found : undefined;
  });
  expect(status).toMatchObject({ machine: hostname(), pid: first.pid, version: '0.1.0', problems: 0 });
  expect(status['registrations']).toBe(status['containers']);
  await first.stop();
  expect(await value(key)).toMatchObject({ pid: first.pid, stopped: expect.any(String) });
  await until('it goes with the rest', async () => Object.keys(await etcd.read('/status/')).length === 0);
});

test('a second agent of the same host name refuses, and says who has it; the first is not disturbed', async () => {
  const id = await run('twice');
  const key = `/twice/services/twice/backends/${id}`;
  await using first = agent('twice', ['--ttl=2s']);
  await hasWeight(key, 10);
  const version = await etcd.version(key);
  await using second = agent('twice', ['--ttl=2s', '--exit-flush']);
  expect(await second.exit()).toBe(1);
  const last = second.log.at(-1);
  expect(last).toMatchObject({ level: 'error', code: 'ERR_CLAIMED' });
  expect(last?.message).toContain(`hosts/host1/status in the tree is held by another agent, which is alive`);
  expect(last?.message).toContain(`machine ${hostname()}, process ${first.pid}, started 20`);
  expect(await etcd.version(key)).toBe(version);
  expect(first.logged('registration changed by somebody else, and put right')).toEqual([]);
});

describe.each(['SIGTERM', 'SIGKILL'] as const)('an agent that ends by %s while Docker is away', (signal) => {
  test('is followed by one that keeps the registrations until Docker answers, then drops what is gone', async () => {
    const tree = `gap-${signal}`;
    const kept = await run(tree);
    const gone = await run(tree);
    const keyOf = (id: string) => `/${tree}/services/${tree}/backends/${id}`;
    await using bridge = await bridgeSocket(dockerd.socketPath);
    await using proxy = await startProxy(bridge.port);
    const where = { docker: `tcp://${proxy.host}` };

    await using first = agent(tree, ['--ttl=3s'], where);
    await hasWeight(keyOf(kept), 10);
    await hasWeight(keyOf(gone), 10);
    const lease = await leaseOf(keyOf(kept));
    proxy.refuse();
    await first.stop(signal);
    await dockerd.docker('rm', '--force', gone);

    await using second = agent(tree, ['--ttl=3s'], where);
    await second.waitFor('registrations of the former run taken over', { deadline: PATIENCE });
    expect(second.logged('another agent has this host name; waiting to see whether it is alive')).toEqual([]);
    await expired(lease);
    expect((await value(keyOf(kept)))?.['weight']).toBe(10);
    expect((await value(keyOf(gone)))?.['weight']).toBe(10);
    proxy.pass();
    await until('the dead one is gone', async () => (await value(keyOf(gone))) === undefined, PATIENCE);
    expect((await value(keyOf(kept)))?.['weight']).toBe(10);
  });
});

test('a container that Docker is stuck on keeps what a former run registered of it, and of no other', async () => {
  const tree = 'stuck';
  const [stuck, gone] = [await run(tree), await run(tree)];
  const keyOf = (id: string) => `/${tree}/services/${tree}/backends/${id}`;
  await using first = agent(tree, ['--ttl=60s']);
  await hasWeight(keyOf(stuck), 10);
  await hasWeight(keyOf(gone), 10);
  await first.stop();
  await dockerd.docker('rm', '--force', gone);
  const isStuck = ({ pathname }: URL) => pathname === `/containers/${stuck}/json`;
  await using proxy = await startDockerProxy(dockerd.socketPath, (_method, url) =>
    isStuck(url) ? { type: 'hold', after: 0 } : PASS,
  );
  await using second = agent(tree, ['--ttl=60s', '--exit-flush'], { docker: proxy.endpoint });
  await second.waitFor('registrations of the former run taken over', { deadline: PATIENCE });
  await until('the dead one is gone', async () => (await value(keyOf(gone))) === undefined, PATIENCE);
  expect((await value(keyOf(stuck)))?.['weight']).toBe(10);
});

describe('--exit-drain', () => {
  test('takes the weights away, waits, and removes everything', async () => {
    const id = await run('drain');
    const key = `/drain/services/drain/backends/${id}`;
    await using first = agent('drain', ['--exit-drain=3', '--ttl=2s']);
    await hasWeight(key, 10);
    const started = performance.now();
    const ended = first.stop('SIGTERM');
    await hasWeight(key, 0);
    expect(await ended).toBe(0);
    expect(performance.now() - started).toBeGreaterThan(3000);
    expect(await etcd.read('/drain/')).toEqual({});
  });

  test('a second signal ends the wait, and leaves the rest to the TTL', async () => {
    const id = await run('impatient');
    const key = `/impatient/services/impatient/backends/${id}`;
    await using first = agent('impatient', ['--exit-drain=1h', '--ttl=3s']);
    await hasWeight(key, 10);
    const ended = first.stop('SIGTERM');
    await hasWeight(key, 0);
    const started = performance.now();
    await first.stop('SIGTERM');
    expect(await ended).toBe(143);
    expect(performance.now() - started).toBeLessThan(2000);
    await until('it is gone', async () => (await value(key)) === undefined);
  });

  test('before Docker was ever asked, what a former run left is drained', async () => {
    const id = await run('left');
    const key = `/left/services/left/backends/${id}`;
    await using first = agent('left', ['--ttl=10s']);
    await hasWeight(key, 10);
    await first.stop();
    await using second = agent('left', ['--ttl=10s', '--exit-drain=2s'], { docker: 'unix:///nowhere' });
    await second.waitFor('registrations of the former run taken over', { deadline: PATIENCE });
    const ended = second.stop('SIGTERM');
    await hasWeight(key, 0);
    expect(await ended).toBe(0);
    expect(await etcd.read('/left/')).toEqual({});
  });
});

describe('SIGTERM ends the agent within ten seconds', () => {
  /** Milliseconds: what is killed after ten seconds must not need them. */
  const SOON = 9500;

  async function endsSoon(agentProcess: AgentProcess): Promise<number | null> {
    const started = performance.now();
    const code = await agentProcess.stop('SIGTERM');
    const took = performance.now() - started;
    process.stdout.write(`ended with ${code} after ${Math.round(took)} ms: ${agentProcess.commandLine.slice(-60)}\n`);
    expect(took).toBeLessThan(SOON);
    return code;
  }

  const ways = [
    { how: 'by default', args: [], code: 0 },
    { how: 'with --exit-flush', args: ['--exit-flush'], code: 1 },
    { how: 'with --exit-drain', args: ['--exit-drain=1s'], code: 1 },
  ];

  test.each(ways)('while etcd is frozen, $how', async ({ args, code }) => {
    await using own = await startEtcd();
    await run('frozen');
    await using first = agent('frozen', args, { etcdHost: own.host });
    await first.waitFor('registered', { deadline: PATIENCE });
    own.freeze();
    expect(await endsSoon(first)).toBe(code);
  });

  test.each(ways)('while etcd is away, $how', async ({ args, code }) => {
    await using own = await startEtcd();
    await run('away');
    await using first = agent('away', args, { etcdHost: own.host });
    await first.waitFor('registered', { deadline: PATIENCE });
    await own.stop();
    await first.waitFor('registration failed, and is repeated until it succeeds', { deadline: PATIENCE });
    expect(await endsSoon(first)).toBe(code);
  });

  test.each([
    { how: 'by default', args: [], code: 0 },
    { how: 'with --exit-flush', args: ['--exit-flush'], code: 0 },
  ])('where etcd never was, $how', async ({ args, code }) => {
    await using first = agent('never', args, { etcdHost: '127.0.0.1:1' });
    await first.waitFor('registration failed, and is repeated until it succeeds', { deadline: PATIENCE });
    expect(await endsSoon(first)).toBe(code);
  });

  test('while Docker is frozen, and what is registered is removed as asked', async () => {
    const id = await run('dockerless');
    await using bridge = await bridgeSocket(dockerd.socketPath);
    await using proxy = await startProxy(bridge.port);
    await using first = agent('dockerless', ['--exit-flush'], { docker: `tcp://${proxy.host}` });
    await hasWeight(`/dockerless/services/dockerless/backends/${id}`, 10);
    proxy.stall();
    expect(await endsSoon(first)).toBe(0);
    expect(await etcd.read('/dockerless/')).toEqual({});
  });

  test('while the lease is lost and etcd is gone', async () => {
    await using own = await startEtcd();
    await run('lost');
    await using first = agent('lost', ['--ttl=2s', '--exit-flush'], { etcdHost: own.host });
    const { lease } = await first.waitFor('lease granted', { deadline: PATIENCE });
    await first.waitFor('registered', { deadline: PATIENCE });
    await own.call('lease/revoke', { ID: lease });
    await own.kill();
    await endsSoon(first);
  });

  test('while it waits to see whether the one that has its name is alive', async () => {
    await using first = agent('waits', ['--ttl=60s']);
    await until('it has the name', async () => await value('/waits/hosts/host1/status'), PATIENCE);
    await using second = agent('waits', ['--ttl=60s', '--exit-flush']);
    await second.waitFor('another agent has this host name; waiting to see whether it is alive', {
      deadline: PATIENCE,
    });
    expect(await endsSoon(second)).toBe(0);
    expect(await value('/waits/hosts/host1/status')).toMatchObject({ pid: first.pid });
  });
});

describe('a frontend that two hosts ask for', () => {
  const labels = ['clusterf.frontend.ipv4=192.0.2.1', 'clusterf.frontend.tcp=80'];
  const allow = '--allow-frontend=192.0.2.0/24';

  test('is the other’s when the one goes', async () => {
    await run('vip', ...labels);
    const key = '/vip/services/vip/frontend';
    await using first = agent('vip', [allow, '--exit-flush'], { host: 'host1' });
    await until('it is there', async () => await value(key), PATIENCE);
    await using second = agent('vip', [allow], { host: 'host2' });
    await second.waitFor('registered', { deadline: PATIENCE });
    const lease = await leaseOf(key);
    expect(await etcd.version(key)).toBe(1);
    await first.stop();
    await until('it is there again', async () => (await value(key)) !== undefined);
    expect(await leaseOf(key)).not.toBe(lease);
    expect(await value(key)).toEqual({ ipv4: '192.0.2.1', tcp: 80 });
  });

  test('is a person’s where a person has written it, and the agent says so', async () => {
    const id = await run('person', ...labels);
    await etcd.put('/person/services/person/frontend', '{"ipv4":"192.0.2.9","tcp":80}');
    await using first = agent('person', [allow, '--exit-flush']);
    await hasWeight(`/person/services/person/backends/${id}`, 10);
    const problem =
      'problem: services/person/frontend: not published: somebody else has put ' +
      '{"ipv4":"192.0.2.9","tcp":80} there, not {"ipv4":"192.0.2.1","tcp":80}';
    await first.waitFor(problem, { deadline: PATIENCE });
    expect(await first.stop()).toBe(0);
    expect(await etcd.read('/person/services/')).toEqual({
      '/person/services/person/frontend': '{"ipv4":"192.0.2.9","tcp":80}',
    });
  });
});
