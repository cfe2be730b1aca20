import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';

/** Milliseconds; a container takes seconds where the kernel is a program. */
const PATIENCE = 60_000;

let dockerd: Dockerd;
let etcd: EtcdProcess;

beforeAll(async () => {
  [dockerd, etcd] = await Promise.all([startDockerd(), startEtcd()]);
});
afterAll(async () => {
  await Promise.all([dockerd[Symbol.asyncDispose](), etcd[Symbol.asyncDispose]()]);
});

/** Every test has a tree and a service of its own, and the agent's name for it. */
function agent(tree: string, ...args: readonly string[]): AgentProcess {
  return new AgentProcess('clusterf-docker', [
    `--config-source=etcd://${etcd.host}/${tree}`,
    `--docker-endpoint=${dockerd.endpoint}`,
    '--host-name=host1',
    ...args,
  ]);
}

function run(service: string): Promise<string> {
  const labels = ['--label', `net.qmsk.clusterf.service=${service}`, '--label', 'net.qmsk.clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', service, ...labels]);
}

/** The service's only backend as it is in etcd. */
async function backend(tree: string, service: string): Promise<{ weight: number } | undefined> {
  const [text] = Object.values(await etcd.read(`/${tree}/services/${service}/backends/`));
  if (text === undefined) return undefined;
  const value: { weight: number } = JSON.parse(text);
  return value;
}

async function registered(tree: string, service: string, weight = 10): Promise<void> {
  await until(
    `${service} has weight ${weight} in etcd`,
    async () => (await backend(tree, service))?.weight === weight,
    PATIENCE,
  );
}

async function gone(tree: string, service: string): Promise<void> {
  await until(`${service} is gone from etcd`, async () => (await backend(tree, service)) === undefined, PATIENCE);
}

/** When the key was made, in etcd's revisions: it stays the same for as long as the key is never removed. */
async function created(key: string): Promise<string> {
  const answer = await etcd.call('kv/range', { key: Buffer.from(key).toString('base64') });
  return String(field(answer, 'kvs', 0, 'create_revision'));
}

/** Part of an answer of etcd's gateway; undefined where it has none. */
function field(answer: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce((value, name) => Reflect.get(Object(value), name), answer);
}

/** Waits by etcd's own clock, which counts the leases. */
async function expired(lease: unknown): Promise<void> {
  await until(
    `lease ${String(lease)} has expired`,
    async () => field(await etcd.call('lease/timetolive', { ID: lease }), 'TTL') === '-1',
    PATIENCE,
  );
}

describe('a life of the agent', () => {
  test('containers come and go in etcd as they do in Docker', async () => {
    await using first = agent('life');
    await first.waitFor('started', { deadline: PATIENCE });
    const id = await run('life');
    await registered('life', 'life');
    expect(Object.keys(await etcd.read('/life/'))).toEqual([
      '/life/hosts/host1/status',
      `/life/services/life/backends/${id}`,
    ]);
    expect(first.logged('registered')).toEqual([expect.objectContaining({ service: 'life', backend: id })]);
    await dockerd.docker('kill', '--signal', 'TERM', id);
    await registered('life', 'life', 0);
    await dockerd.docker('rm', '--force', id);
    await gone('life', 'life');
  });

  test('after SIGTERM the registrations last for the TTL, then go', async () => {
    await run('ttl');
    await using first = agent('ttl', '--ttl=3s');
    await registered('ttl', 'ttl');
    expect(await first.stop('SIGTERM')).toBe(0);
    expect(await backend('ttl', 'ttl')).toBeDefined();
    await gone('ttl', 'ttl');
  });

  test('an agent that dies leaves nothing behind after the TTL', async () => {
    await run('dies');
    await using first = agent('dies', '--ttl=3s');
    await registered('dies', 'dies');
    await first.stop('SIGKILL');
    await gone('dies', 'dies');
    expect(await etcd.read('/dies/')).toEqual({});
  });

  test('the next agent takes over within the TTL, and no registration was ever away', async () => {
    const id = await run('upgrade');
    const key = `/upgrade/services/upgrade/backends/${id}`;
    await using first = agent('upgrade', '--ttl=5s');
    await registered('upgrade', 'upgrade');
    const made = await created(key);
    const { lease } = await first.waitFor('lease granted', { deadline: PATIENCE });
    await first.stop('SIGTERM');
    await using second = agent('upgrade', '--ttl=5s');
    await second.waitFor('registered', { deadline: PATIENCE });
    await expired(lease);
    await dockerd.docker('pause', id);
    await registered('upgrade', 'upgrade', 0);
    await dockerd.docker('unpause', id);
    await registered('upgrade', 'upgrade');
    expect(await created(key)).toBe(made);
  });

  test('--exit-flush removes the registrations before the agent ends', async () => {
    await run('flush');
    await using first = agent('flush', '--exit-flush', '--ttl=60s');
    await registered('flush', 'flush');
    expect(await first.stop('SIGTERM')).toBe(0);
    expect(await etcd.read('/flush/')).toEqual({});
  });

  test('Docker is away for longer than the TTL: registrations stay all the while', async () => {
    const id = await run('away');
    const key = `/away/services/away/backends/${id}`;
    await using first = agent('away', '--ttl=2s');
    await registered('away', 'away');
    const made = await created(key);
    await dockerd.stop();
    const lost = await first.waitFor('docker unavailable: registrations are kept', { deadline: PATIENCE });
    await expired(field(await etcd.call('lease/grant', { TTL: 6 }), 'ID'));
    await dockerd.start();
    await dockerd.docker('pause', id);
    await registered('away', 'away', 0);
    await dockerd.docker('unpause', id);
    expect(await created(key)).toBe(made);
    expect(lost.level).toBe('warn');
  });
});

describe('the command line', () => {
  test('the original program’s keeps working', async () => {
    const id = await run('go');
    await using first = agent(
      'go',
      '--etcd-scheme=http',
      '--etcd-ttl=10s',
      '--exit-flush=true',
      '--route-network=bridge',
      '--route-gateway4=192.0.2.1',
      '--route-gateway6=2001:db8::1',
      '--route-ipvs-method=droute',
    );
    await registered('go', 'go');
    const [prefix] = JSON.parse(await dockerd.docker('network', 'inspect', 'bridge'))[0].IPAM.Config;
    const tree = await etcd.read('/go/');
    expect(Object.keys(tree)).toContain(`/go/services/go/backends/${id}`);
    expect(JSON.parse(tree['/go/routes/host1-bridge-ipv4'] ?? '')).toEqual({
      Prefix: prefix.Subnet,
      Gateway: '192.0.2.1',
      IPVSMethod: 'droute',
    });
    expect(await first.stop('SIGTERM')).toBe(0);
    expect(await etcd.read('/go/')).toEqual({});
  });

  test('--once registers what runs and exits, leaving it to the TTL', async () => {
    await run('once');
    await using first = agent('once', '--once', '--ttl=3s');
    expect(await first.exit()).toBe(0);
    expect((await backend('once', 'once'))?.weight).toBe(10);
    await gone('once', 'once');
  });

  test('--once --noop --print shows what would be registered, and writes nothing', async () => {
    const id = await run('print');
    await using first = agent('print', '--once', '--noop', '--print');
    expect(await first.exit()).toBe(0);
    expect(first.output).toContain(`services/print/backends/${id} {"ipv4":"`);
    expect(await etcd.read('/print/')).toEqual({});
  });

  test('--once knows of a container that was told to stop before, and has not stopped', async () => {
    const id = await run('stubborn');
    // The first process of a container ignores what it does not handle.
    await dockerd.docker('kill', '--signal=TERM', id);
    await using first = agent('stubborn', '--once', '--noop', '--print');
    expect(await first.exit()).toBe(0);
    expect(first.output).toMatch(new RegExp(`services/stubborn/backends/${id} .*"weight":0`));
  });

  test('--once where there is no Docker fails', async () => {
    await using first = new AgentProcess('clusterf-docker', ['--once', '--noop', '--docker-endpoint=unix:///nowhere']);
    expect(await first.exit()).toBe(1);
    expect(first.log.at(-1)).toMatchObject({
      level: 'error',
      code: 'ENOENT',
      message: expect.stringContaining('/nowhere'),
    });
  });

  test('DOCKER_HOST says where Docker is, unless an option does', async () => {
    const args = ['--once', '--noop', '--print'];
    await using first = new AgentProcess('clusterf-docker', args, { DOCKER_HOST: dockerd.endpoint });
    expect(await first.exit()).toBe(0);
    await using second = new AgentProcess('clusterf-docker', [...args, `--docker-endpoint=${dockerd.endpoint}`], {
      DOCKER_HOST: 'tcp://127.0.0.1:1',
    });
    expect(await second.exit()).toBe(0);
    await using third = new AgentProcess('clusterf-docker', args, { DOCKER_HOST: 'tcp://127.0.0.1:1' });
    expect(await third.exit()).toBe(1);
  });

  test.each([
    ['--config-source=http://x/', 3],
    ['--docker-endpoint=/var/run/docker.sock', 2],
    ['--route-gateway4=2001:db8::1', 2],
    ['--ttl=0', 2],
  ])('%s is refused', async (argument, code) => {
    await using first = new AgentProcess('clusterf-docker', [argument]);
    expect(await first.exit()).toBe(code);
  });
});
