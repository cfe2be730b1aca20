import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigTree } from '@clusterf/model';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { until } from '../../../../test/fixtures/until.js';
import { clusterf, RunningCommand } from '../clusterf.js';
import { etcdSite } from '../sites.js';
import { HOST, LB, WEB } from './reading.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

let site: ReturnType<typeof etcdSite>;
beforeEach(async () => {
  site = etcdSite(etcd);
  for (const [path, value] of Object.entries(WEB)) await site.put(path, JSON.stringify(value));
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

/** What an agent writes, on a lease of its own that nobody renews. */
async function agentPuts(path: string, value: object, seconds = 600): Promise<void> {
  const id = String(Math.floor(Math.random() * 1e12) + 1);
  await etcd.call('lease/grant', { ID: id, TTL: String(seconds) });
  await etcd.put(`${site.prefix}/${path}`, JSON.stringify(value), id);
}

/** What a balancer says that has read the tree as it is. */
async function digest(): Promise<string> {
  const tree = new ConfigTree(['etcd:']);
  tree.apply(0, { type: 'snapshot', entries: new Map(Object.entries(await site.read())) });
  return tree.digest(0);
}

const status = async (...args: readonly string[]) => await clusterf(['status', '--config-source', site.url, ...args]);

/** What is wrong, in one text. */
async function told(): Promise<string> {
  const { findings } = JSON.parse((await status('-o', 'json')).stdout);
  return findings.map(({ message }: { message: string }) => message).join('; ');
}

test('all is well where every agent is there and says so: exit code 0', async () => {
  await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() });
  await agentPuts('hosts/h1/status', HOST);
  const { code, stdout, stderr } = await status();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n').map((line) => line.split(/ {2,}/)[0])).toEqual([
    `etcd+http://${etcd.host}${site.prefix}: 1 service, 1 backend, 0 routes`,
    '',
    'BALANCER',
    'lb1',
    '',
    'DOCKER HOST',
    'h1',
    '',
    'SERVICE',
    'web',
    '',
    'All is well.',
    '',
  ]);
  expect(stdout).toMatch(/^lb1 {7}up {5}59\ds/m);
});

test('what is wrong is told in words, and exit code 1', async () => {
  await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() });
  const { code, stdout } = await status();
  expect(code).toBe(1);
  expect(stdout.split('\n').slice(-2)).toEqual([
    '! host h1: no docker-agent has this name, and 1 backend of it is in the tree: nobody keeps them up to date',
    '',
  ]);
});

test('agents that no longer renew their leases are told of with the seconds that are left, then they are gone', async () => {
  await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() }, 15);
  await agentPuts('hosts/h1/status', HOST, 15);
  const lapsing = await until(
    'they are told of',
    async () => {
      const words = await told();
      return words.includes('renewed') && words;
    },
    60_000,
  );
  expect(lapsing).toMatch(
    /its agent has not renewed its lease and shows for [0-5]s more.*1 backend of it will be gone in [0-5]s/,
  );
  await until('they are gone', async () => (await told()).includes('no docker-agent has this name'), 60_000);
});

test('programs have all of it as data', async () => {
  await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() });
  await agentPuts('hosts/h1/status', HOST);
  const { code, stdout } = await status('-o', 'json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    well: true,
    balancers: [{ name: 'lb1', life: 'up', current: true, virtualServices: 1, brake: false }],
    hosts: [{ name: 'h1', life: 'up', backends: 1, version: '0.1.0' }],
    services: [{ name: 'web', virtualServices: ['tcp 10.0.0.1:80'], backends: 1, taking: 1, weight: 10 }],
    findings: [],
  });
  expect((await status('-o', 'yaml')).stdout).toMatch(/^well: true\n/);
});

/** The command, at the moment when it has seen that the balancer is behind, and waits. */
async function waiting(): Promise<RunningCommand> {
  const running = new RunningCommand(['status', '--config-source', site.url]);
  await until('it follows the tree', async () => {
    const metrics = await (await fetch(`http://${etcd.host}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1]) > 0;
  });
  return running;
}

describe('a balancer that has not said yet that it has read a change', () => {
  beforeEach(async () => {
    await agentPuts('hosts/h1/status', HOST);
    await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() });
    await site.put('services/web/backends/b', '{"ipv4":"172.17.0.3","tcp":80}');
  });

  test('is waited for', async () => {
    await using running = await waiting();
    await agentPuts('balancers/lb1/status', { ...LB, tree: await digest() });
    expect(await running.end()).toBe(0);
    expect(running.output).toContain('All is well.');
  });

  test('is behind if it never does', async () => {
    const { code, stdout } = await status();
    expect(code).toBe(1);
    expect(stdout).toContain('! balancer lb1: it has not read the tree as it is now: look at its log\n');
  });

  test('is not behind a tree that changes meanwhile, if what it has read is what the tree has just been', async () => {
    await using running = await waiting();
    await site.put('services/web/backends/b', '{"ipv4":"172.17.0.3","tcp":80,"weight":1}');
    const read = await digest();
    await site.put('services/web/backends/b', '{"ipv4":"172.17.0.3","tcp":80,"weight":2}');
    await agentPuts('balancers/lb1/status', { ...LB, tree: read });
    expect(await running.end()).toBe(0);
  });
});

test('a tree of files has no agents to tell of', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-status-'));
  await mkdir(join(directory, 'services/web/backends'), { recursive: true });
  await writeFile(join(directory, 'services/web/frontend'), '{"ipv4":"10.0.0.1","tcp":80}');
  await writeFile(join(directory, 'services/web/backends/a'), '{"ipv4":"172.17.0.2","tcp":80}');
  const { code, stdout } = await clusterf(['status', '--config-source', `file://${directory}`]);
  await rm(directory, { recursive: true });
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: [
      `file://${directory}: 1 service, 1 backend, 0 routes`,
      '',
      'SERVICE  PUBLISHED AT     SCHEDULER  BACKENDS  TAKING  WEIGHT',
      'web      tcp 10.0.0.1:80  -          1         1       10',
      '',
      'All is well.',
      '',
    ].join('\n'),
  });
});

test('an etcd that is not there is told in one line', async () => {
  const { code, stdout, stderr } = await clusterf(['status', '--config-source', 'etcd://127.0.0.1:9/clusterf']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toBe('clusterf status: etcd 127.0.0.1:9 does not answer (connect ECONNREFUSED)\n');
});
