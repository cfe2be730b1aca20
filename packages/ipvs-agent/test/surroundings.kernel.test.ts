/** What goes along with the table, as a running `clusterf-ipvs` keeps it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';

const run = promisify(execFile);
const VIP = '10.0.0.1';
const DEVICE = 'vip-test';
const HTTP = '127.0.0.1:19780';

let directory: string;
let flags: string[];

async function put(tree: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, value] of Object.entries(tree)) {
    const file = join(directory, 'tree', key);
    await mkdir(dirname(file), { recursive: true });
    if (value === undefined) await rm(file);
    else await writeFile(file, JSON.stringify(value));
  }
}

async function output(command: string, ...args: string[]): Promise<string> {
  return (await run(command, args)).stdout;
}

/** Addresses on the device, IPv6 link-local left out; none if there is no device. */
async function addresses(): Promise<string[]> {
  const text = await output('ip', '-o', 'address', 'show', 'dev', DEVICE, 'scope', 'global').catch(() => '');
  return [...text.matchAll(/inet6? (\S+)/g)].flatMap(([, address]) => address ?? []);
}

/** The sync daemons, a line each. */
async function daemons(): Promise<string[]> {
  return (await output('ipvsadm', '-L', '--daemon')).trim().split('\n');
}

async function sysctl(name: string): Promise<string> {
  return (await output('sysctl', '-n', name)).trim();
}

async function get(path: string): Promise<{ readonly code: number; readonly text: string }> {
  const response = await fetch(`http://${HTTP}${path}`);
  return { code: response.status, text: await response.text() };
}

/** Whether the agent answers, and how; false while it does not listen. */
async function answers(path: string, code: number): Promise<boolean> {
  return await get(path).then(
    (answer) => answer.code === code,
    () => false,
  );
}

beforeAll(async () => {
  requireMachine();
  await run('ip', ['link', 'set', 'lo', 'up']);
});
beforeEach(async () => {
  await run('ipvsadm', ['-C']);
  directory = await mkdtemp(join(tmpdir(), 'clusterf-ipvs-'));
  flags = ['--config-source', `file://${directory}/tree`, '--state-dir', join(directory, 'state')];
  flags.push('--http-listen', HTTP, '--resync', '500ms');
  await put({
    'services/web/frontend': { ipv4: VIP, ipv6: 'fd00::1', tcp: 80 },
    'services/web/backends/a': { ipv4: '172.17.0.2', ipv6: 'fd01::2', tcp: 8080 },
  });
});
afterEach(async () => {
  await run('ip', ['link', 'delete', DEVICE]).catch(() => undefined);
  await run('ipvsadm', ['--stop-daemon', 'master']).catch(() => undefined);
  await run('ipvsadm', ['--stop-daemon', 'backup']).catch(() => undefined);
  await rm(directory, { recursive: true });
});

describe('virtual addresses', () => {
  test('are bound after their services, go before them, and stay when the agent ends', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--vip-interface', DEVICE]);
    await until('both to be bound', async () => (await addresses()).length === 2);
    expect((await addresses()).toSorted()).toEqual([`${VIP}/32`, 'fd00::1/128']);
    await put({ 'services/web/frontend': { ipv4: '10.0.0.2', tcp: 80 } });
    await until('the new one alone', async () => (await addresses()).join() === '10.0.0.2/32');
    await until('the old service to be gone', async () => !(await output('ipvsadm', '-Sn')).includes(`${VIP}:80`));
    const order = agent.log.map(
      ({ message, virtualService, address }) => `${message} ${String(virtualService ?? address)}`,
    );
    const place = (words: string) => order.indexOf(words);
    expect(place('virtual address bound 10.0.0.1')).toBeGreaterThan(place('new service tcp 10.0.0.1:80'));
    expect(place('virtual address bound 10.0.0.2')).toBeGreaterThan(place('new service tcp 10.0.0.2:80'));
    expect(place('virtual address removed 10.0.0.1')).toBeGreaterThan(place('virtual address bound 10.0.0.2'));
    expect(place('removed service tcp 10.0.0.1:80')).toBeGreaterThan(place('virtual address removed 10.0.0.1'));
    expect(await agent.stop()).toBe(0);
    expect(await addresses()).toEqual(['10.0.0.2/32']);
  });

  test('--withdraw-when-empty takes an address away while nothing on it takes connections', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [
      ...flags,
      '--vip-interface',
      DEVICE,
      '--withdraw-when-empty',
    ]);
    await until('both to be bound', async () => (await addresses()).length === 2);
    await put({ 'services/web/backends/a': { ipv4: '172.17.0.2', ipv6: 'fd01::2', tcp: 8080, weight: 0 } });
    await until('none', async () => (await addresses()).length === 0);
    await put({ 'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080 } });
    await until('one', async () => (await addresses()).join() === `${VIP}/32`);
    expect(await agent.stop()).toBe(0);
  });

  test('of a balancer that is drained are taken away, also when its agent starts, and bound again when that is over', async () => {
    const args = [...flags, '--vip-interface', DEVICE, '--balancer-name', 'lb1'];
    await using first = new AgentProcess('clusterf-ipvs', args);
    await until('both to be bound', async () => (await addresses()).length === 2);
    const table = await output('ipvsadm', '-Sn');
    await put({ 'drain/balancers/lb1': { reason: 'disk' } });
    await until('none to be bound', async () => (await addresses()).length === 0);
    expect(await output('ipvsadm', '-Sn')).toBe(table);
    expect(JSON.parse((await get('/status')).text)).toMatchObject({
      drained: [{ kind: 'balancer', name: 'lb1', reason: 'disk', bound: 0 }],
      problems: [],
    });
    await first.stop();
    await using second = new AgentProcess('clusterf-ipvs', args);
    await second.waitFor('drained: balancer lb1');
    await until('it to be ready', async () => await answers('/readyz', 200));
    expect(await addresses()).toEqual([]);
    await put({ 'drain/balancers/lb1': undefined });
    await until('both to be bound again', async () => (await addresses()).length === 2);
  });

  test('that nobody keeps cannot be taken away from a drained balancer: a problem, and nothing else', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--balancer-name', 'lb1']);
    await until('it to be ready', async () => await answers('/readyz', 200));
    await put({ 'drain/balancers/lb1': {}, 'drain/balancers/lb2': {} });
    await until('the problem', () =>
      /problem: drain\/balancers\/lb1: nothing is withdrawn: expected an agent with --vip-interface/.test(agent.text()),
    );
    await put({ 'drain/balancers/lb1': undefined });
    await until('its end', async () => JSON.parse((await get('/status')).text).problems.length === 0);
    expect(agent.logged('virtual address bound')).toEqual([]);
  });

  test('--exit-withdraw takes them away on exit, and leaves the table', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--vip-interface', DEVICE, '--exit-withdraw']);
    await until('both to be bound', async () => (await addresses()).length === 2);
    expect(await agent.stop()).toBe(0);
    expect(await addresses()).toEqual([]);
    expect(await output('ipvsadm', '-Sn')).toContain(`-A -t ${VIP}:80`);
  });

  test('removed by hand come back at the next resync; those that are not ours are left alone and reported', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--vip-interface', DEVICE]);
    await until('both to be bound', async () => (await addresses()).length === 2);
    await run('ip', ['address', 'add', '10.9.9.9/32', 'dev', DEVICE]);
    await run('ip', ['address', 'delete', `${VIP}/32`, 'dev', DEVICE]);
    await until('the repair', async () => (await addresses()).length === 3);
    const status: unknown = JSON.parse((await get('/status')).text);
    expect(status).toMatchObject({ virtualAddresses: { foreign: ['10.9.9.9'], drift: { addresses: 1 } } });
    await agent.stop();
  });
});

test('an address is not taken from under a virtual service whose owner was forgotten with a torn state', async () => {
  await put({ 'services/db/frontend': { ipv4: '10.0.0.9', tcp: 1 } });
  const own = [...flags, '--vip-interface', DEVICE];
  await using first = new AgentProcess('clusterf-ipvs', own);
  await until('all to be bound', async () => (await addresses()).length === 3);
  await first.stop('SIGKILL');
  const [namespace = ''] = await readdir(join(directory, 'state'));
  await writeFile(join(directory, 'state', namespace, 'owned.json'), '{"version":1,"virt');
  await rm(join(directory, 'tree', 'services', 'web'), { recursive: true });
  await using second = new AgentProcess('clusterf-ipvs', own);
  await until('it to be ready', async () => await answers('/readyz', 200));
  expect(await output('ipvsadm', '-Sn')).toContain(`-A -t ${VIP}:80`);
  expect(await addresses()).toContain(`${VIP}/32`);
  expect(await second.stop()).toBe(0);
});

describe('sync daemons', () => {
  test('come from the tree, one balancer’s own settings before those of all', async () => {
    const all = { interface: 'lo', syncId: 3, role: 'backup' };
    const own = { interface: 'lo', syncId: 7, port: 9000, role: 'master' };
    await put({ sync: all, 'balancers/lb1/sync': own });
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--balancer-name', 'lb1']);
    await until('the daemon', async () => (await daemons()).some((line) => line.startsWith('master sync daemon')));
    expect(await daemons()).toEqual([expect.stringMatching(/master .*syncid=7.*port=9000/)]);
    await put({ 'balancers/lb1/sync': undefined });
    await until('the general one', async () => (await daemons()).join().includes('syncid=3'));
    expect(await daemons()).toEqual([expect.stringMatching(/backup .*syncid=3/)]);
    await put({ sync: undefined });
    await until('none', async () => (await daemons()).join() === '');
    expect(await agent.stop()).toBe(0);
  });

  test('are refused while mixed families are in the kernel, and mixed families while one runs', async () => {
    const tunnel = { Gateway: 'fd02::1', IPVSMethod: 'tunnel' };
    await put({ sync: { interface: 'lo' }, 'routes/r': tunnel, 'services/web/frontend': { ipv4: VIP, tcp: 80 } });
    await using agent = new AgentProcess('clusterf-ipvs', flags);
    await until('the refusal', () => agent.text().includes('destinations of another family'));
    expect(await output('ipvsadm', '-Sn')).toContain('[fd02::1]:80 -i');
    await put({ 'routes/r': undefined });
    await until('the daemons', async () => (await output('ipvsadm', '-L', '--daemon')).includes('master sync daemon'));
    await put({ 'routes/r': tunnel });
    await until('the other refusal', () => /problem: services\/web\/backends\/a.*sync daemon/.test(agent.text()));
    expect(await output('ipvsadm', '-Sn')).not.toContain('fd02');
    expect(await agent.stop()).toBe(0);
  });
});

test('a profile and single sysctls are set at the start and kept', async () => {
  const own = ['--profile', 'edge-mh', '--sysctl', 'net.ipv4.vs.sync_refresh_period=10'];
  await using agent = new AgentProcess('clusterf-ipvs', [...flags, ...own]);
  await agent.waitFor('new destination');
  expect(await sysctl('net.ipv4.vs.sloppy_tcp')).toBe('1');
  expect(await sysctl('net.ipv4.vs.sync_refresh_period')).toBe('10');
  await run('sysctl', ['-w', 'net.ipv4.vs.sloppy_tcp=0']);
  await until('it to be set again', async () => (await sysctl('net.ipv4.vs.sloppy_tcp')) === '1');
  expect(agent.logged('somebody changed a sysctl: set again')).toHaveLength(1);
});

test('--noop says what would be done of it all, and does nothing', async () => {
  await put({ sync: { interface: 'lo', role: 'master' } });
  const asked = ['--once', '--noop', '--vip-interface', DEVICE, '--sysctl', 'net.ipv4.vs.nat_icmp_send=1'];
  await using agent = new AgentProcess('clusterf-ipvs', [...flags, ...asked]);
  expect(await agent.exit()).toBe(0);
  expect(agent.output).toContain(`bind virtual address: ${VIP}\n`);
  expect(agent.output).toMatch(/start.*sync daemon.*lo/);
  expect(agent.output).toContain('set sysctl: net.ipv4.vs.nat_icmp_send = 1  # was 0');
  expect(await addresses()).toEqual([]);
  expect((await output('sysctl', '-n', 'net.ipv4.vs.nat_icmp_send')).trim()).toBe('0');
  expect((await output('ipvsadm', '-L', '--daemon')).trim()).toBe('');
});

describe('health', () => {
  test('is not ready before every source has been read, and ready after the first pass', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--config-source', `file://${directory}/later`]);
    await until('it to answer', async () => await answers('/healthz', 200));
    expect(await get('/readyz')).toEqual({ code: 503, text: expect.stringContaining('not every source') });
    await mkdir(join(directory, 'later'));
    await until('it to be ready', async () => await answers('/readyz', 200));
    const { text } = await get('/metrics');
    expect(text).toContain('clusterf_ready 1');
    expect(text).toMatch(/clusterf_ipvs_destination_weight\{service="web",[^}]*backend="a",[^}]*\} 10/);
    expect(await agent.stop()).toBe(0);
  });

  test('is in etcd as long as the agent lives', async () => {
    await using etcd = await startEtcd();
    await etcd.put('/clusterf/services/web/frontend', JSON.stringify({ ipv4: VIP, tcp: 80 }));
    const source = ['--config-source', `etcd://${etcd.host}/clusterf`, '--state-dir', join(directory, 'state')];
    await using agent = new AgentProcess('clusterf-ipvs', [
      ...source,
      '--balancer-name',
      'lb1',
      '--ttl',
      '2s',
      '--http-listen',
      'none',
    ]);
    const status = async () => (await etcd.read('/clusterf/balancers/'))['/clusterf/balancers/lb1/status'];
    await until('its status', async () => (await status())?.includes('"ready":true') ?? false);
    await agent.stop('SIGKILL');
    await until('it to lapse', async () => (await status()) === undefined);
    expect(agent.logged('pass failed')).toEqual([]);
  });
});
