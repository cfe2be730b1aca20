import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { projectRoot } from '../../../../test/lab/index.js';
import { Site, table } from '../../../ipvs-agent/test/site.js';
import { clusterf, type Ended } from '../clusterf.js';

const TREE = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, udp: 53, scheduler: 'rr' },
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080, udp: 8053 },
  'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080, weight: 20 },
  'services/mail/frontend': { ipv6: '2001:db8::25', tcp: 25, persistence: { timeout: 300, netmask: 64 } },
  'services/mail/backends/c': { ipv6: '2001:db8:1::2', tcp: 25 },
  'routes/host1': { Prefix: '2001:db8:1::/48', IPVSMethod: 'tunnel' },
};

let site: Site;
beforeEach(async () => {
  site = await Site.make(TREE);
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

async function plan(...args: readonly string[]): Promise<Ended> {
  return await clusterf(['plan', '--config-source', site.source, '--state-dir', site.stateDirectory, ...args]);
}

async function restore(lines: string): Promise<void> {
  const child = spawn('ipvsadm', ['-R'], { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.end(lines);
  const [complaints] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect([complaints, child.exitCode]).toEqual(['', 0]);
}

test('says what would change, an operation a line with its names, and nothing once all is as it should be', async () => {
  const before = await plan();
  expect(before).toMatchObject({ code: 0, stderr: '' });
  expect(before.stdout.split('\n')).toEqual([
    expect.stringMatching(/^new service: tcp \[2001:db8::25\]:25 .*# mail$/),
    'new service: tcp 10.0.0.1:80 scheduler=rr  # web',
    'new service: udp 10.0.0.1:53 scheduler=rr  # web',
    'new destination: tcp [2001:db8::25]:25 -> [2001:db8:1::2]:25 method=tunnel weight=10  # mail c',
    'new destination: tcp 10.0.0.1:80 -> 172.17.0.2:8080 method=masq weight=10  # web a',
    'new destination: tcp 10.0.0.1:80 -> 172.17.0.3:8080 method=masq weight=20  # web b',
    'new destination: udp 10.0.0.1:53 -> 172.17.0.2:8053 method=masq weight=10  # web a',
    '',
  ]);
  expect(await table()).toEqual([]);
  await site.once();
  expect(await plan()).toMatchObject({ code: 0, stdout: 'nothing to do\n' });
});

test('its lines for ipvsadm make of the kernel’s table the one that it wants', async () => {
  await site.once();
  await site.put({
    'services/web/frontend': { ...TREE['services/web/frontend'], scheduler: 'wrr' },
    'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080, weight: 0 },
    'services/web/backends/d': { ipv4: '172.17.0.4', tcp: 8080 },
  });
  await site.remove('services/web/backends/a');
  await site.remove('services/mail');
  const { stdout, code } = await plan('--brake', 'off', '-o', 'ipvsadm');
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual(expect.arrayContaining(['-E -t 10.0.0.1:80 -s wrr', '-D -t [2001:db8::25]:25']));
  await restore(stdout);
  expect(await plan()).toMatchObject({ code: 0, stdout: 'nothing to do\n' });
  const wanted = await plan('--table', '-o', 'ipvsadm');
  expect(await table()).toEqual(wanted.stdout.trim().split('\n').toSorted());
});

test('what an agent would hold back is told, and is not among the lines for ipvsadm', async () => {
  await site.put(
    Object.fromEntries(
      ['e', 'f', 'g'].map((name, i) => [`services/web/backends/${name}`, { ipv4: `172.17.1.${i}`, tcp: 80 }]),
    ),
  );
  await site.once();
  for (const name of ['a', 'b', 'e', 'f', 'g']) await site.remove(`services/web/backends/${name}`);
  expect((await plan()).stdout).toContain(
    'held back by the brake: remove destination: tcp 10.0.0.1:80 -> 172.17.0.2:8080',
  );
  const lines = await plan('-o', 'ipvsadm');
  expect(lines).toMatchObject({ code: 0, stdout: '' });
  expect(lines.stderr).toBe('clusterf plan: left out, since an agent would hold it back (brake): 6 destinations\n');
});

test('foreign virtual services are left alone, and taken over with the option of the agent that says so', async () => {
  await site.once();
  await promisify(execFile)('ipvsadm', ['-A', '-t', '192.0.2.1:80', '-s', 'rr']);
  expect((await plan()).stdout).toBe('nothing to do\n');
  expect((await plan('--adopt')).stdout).toBe('remove service: tcp 192.0.2.1:80\n');
});

test('as data it has operations, what is held, what is around the table, and problems', async () => {
  await site.put({ 'services/web/backends/bad': '{"ipv4": 1}' });
  const { stdout, stderr } = await plan('-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    operations: expect.arrayContaining([
      { operation: 'newService', service: 'web', virtualService: 'tcp 10.0.0.1:80', scheduler: 'rr' },
      {
        operation: 'newDestination',
        service: 'web',
        backends: ['b'],
        virtualService: 'tcp 10.0.0.1:80',
        destination: '172.17.0.3:8080',
        method: 'masq',
        weight: 20,
      },
    ]),
    held: [],
    problems: [{ key: 'services/web/backends/bad' }],
  });
  expect(stderr).toMatch(/^clusterf plan: problem: services\/web\/backends\/bad: /);
});

test('takes the configuration file of an agent', async () => {
  const file = join(site.directory, 'ipvs.json');
  await site.put({
    '../ipvs.json': { 'config-source': [site.source], 'ipvs-fwd-method': 'droute', 'http-listen': 'none' },
  });
  expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('ipvs-fwd-method');
  const { stdout } = await clusterf(['plan', '--config', file, '--from-empty']);
  expect(stdout).toContain('tcp 10.0.0.1:80 -> 172.17.0.3:8080 method=droute');
});

test('who may not read the kernel is told what is missing, and has the plan for an empty one all the same', async () => {
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');
  const asNobody = async (...args: readonly string[]) => {
    const child = spawn('setpriv', [
      '--bounding-set=-net_admin',
      '--',
      bin,
      'plan',
      '--config-source',
      site.source,
      ...args,
    ]);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { stdout, stderr, code: child.exitCode };
  };
  expect(await asNobody()).toMatchObject({
    code: 1,
    stderr:
      "clusterf plan: the kernel's table cannot be read: that needs CAP_NET_ADMIN; run it as root, or with --from-empty or --table, which ask no kernel\n",
  });
  const fromEmpty = await asNobody('--from-empty');
  expect(fromEmpty.stdout).toBe((await plan()).stdout);
  expect((await asNobody('--table')).stdout).toMatch(/^TCP {2}10\.0\.0\.1:80 rr {2}# web$/m);
});
