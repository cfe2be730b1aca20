/** What doctor finds of a real etcd, and that what it prints mends it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { startGrpcProxy } from '../../../../test/fixtures/grpc-proxy.js';
import { clusterf } from '../clusterf.js';
import type { Finding } from '../../src/doctor/finding.js';
import { shiftedClock } from './shifted-clock.js';

const run = promisify(execFile);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-doctor-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** What it says of etcd; of the machine these tests run on nothing is known. */
async function examined(...flags: readonly string[]): Promise<readonly Finding[]> {
  const { stdout, stderr } = await clusterf([
    'doctor',
    '-o',
    'json',
    '--balancer-name',
    'lb1',
    '--host-name',
    'host1',
    ...flags,
  ]);
  if (stdout === '') throw new Error(stderr);
  const findings: readonly Finding[] = JSON.parse(stdout);
  return findings.filter(({ check }) => ['etcd', 'clock', 'permissions', 'tree', 'options'].includes(check));
}

function bad(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity !== 'ok');
}

/** Runs what was printed, as a person would. */
async function type(line: string | undefined, env: NodeJS.ProcessEnv = {}): Promise<void> {
  await run('sh', ['-ec', line ?? 'false'], { env: { ...process.env, ETCDCTL_API: '3', ...env } });
}

describe('an etcd', () => {
  let etcd: EtcdProcess;

  beforeAll(async () => {
    etcd = await startEtcd();
    await etcd.put('/clusterf/services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80}');
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('that is well is told with its version and how long it takes', async () => {
    const findings = await examined('--config-source', `etcd://${etcd.host}/clusterf`);
    expect(bad(findings)).toEqual([]);
    expect(findings.map(({ check, found }) => `${check}: ${found}`)).toEqual([
      expect.stringMatching(
        /^etcd: etcd\+http:\/\/127\.0\.0\.1:\d+\/clusterf: version 3\.\d+\.\d+, answers within [\d.]+ ms$/,
      ),
      expect.stringMatching(/^clock: that of .* agrees/),
      expect.stringMatching(
        /^permissions: may read the tree, and write balancers\/lb1\/status, hosts\/host1\/status, services\/clusterf-doctor\/backends\/clusterf-doctor$/,
      ),
      'tree: 1 virtual service',
    ]);
  });

  test('is not written to by looking at it', async () => {
    const before = await etcd.revision();
    await examined('--config-source', `etcd://${etcd.host}/clusterf`);
    expect(await etcd.revision()).toBe(before);
  });

  test('is examined by TLS too', async () => {
    const findings = await examined(
      '--config-source',
      `etcd+https://${etcd.tls.host}/clusterf`,
      '--etcd-ca',
      etcd.tls.ca,
    );
    expect(bad(findings)).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual(['etcd', 'clock', 'permissions', 'tree']);
  });

  test('whose certificate nobody vouches for is a failure that says so', async () => {
    const [trouble] = bad(await examined('--config-source', `etcd+https://${etcd.tls.host}/clusterf`));
    expect(trouble).toMatchObject({ check: 'etcd', severity: 'fail', found: expect.stringMatching(/certificate/) });
  });

  test('where nobody listens is a failure; beside one that answers it is a warning', async () => {
    const nobody = '127.0.0.1:1';
    expect(bad(await examined('--config-source', `etcd://${nobody}/clusterf`))).toEqual([
      expect.objectContaining({
        check: 'etcd',
        severity: 'fail',
        found: expect.stringMatching(/etcd 127\.0\.0\.1:1 does not answer \(connect ECONNREFUSED\)/),
        mend: expect.stringMatching(/^etcdctl --endpoints=127\.0\.0\.1:1 endpoint health/),
      }),
    ]);
    expect(bad(await examined('--config-source', `etcd://${nobody},${etcd.host}/clusterf`))).toEqual([
      expect.objectContaining({ check: 'etcd', severity: 'warn' }),
    ]);
  });

  test('that hangs is told as one that does not answer', async () => {
    etcd.freeze();
    try {
      const [trouble] = bad(await examined('--config-source', `etcd://${etcd.host}/clusterf`));
      expect(trouble).toMatchObject({ severity: 'fail', found: expect.stringMatching(/no answer in time/) });
    } finally {
      etcd.thaw();
    }
  });

  test('whose clock is an hour off is told by how much', async () => {
    await using shifted = await shiftedClock(etcd.port, 3_600_000);
    const findings = await examined('--config-source', `etcd://${shifted.host}/clusterf`);
    expect(bad(findings)).toEqual([
      expect.objectContaining({
        check: 'clock',
        severity: 'warn',
        found: expect.stringMatching(/is 3600 s ahead \(± \d+ ms\)/),
      }),
    ]);
  });

  test('with entries that no agent takes has them told', async () => {
    await etcd.put('/bad/services/web/frontend', '{"ipv4":"10.0.0.300","tcp":80}');
    expect(bad(await examined('--config-source', `etcd://${etcd.host}/bad`))).toEqual([
      expect.objectContaining({
        check: 'tree',
        severity: 'warn',
        found: expect.stringMatching(/services\/web\/frontend: .*10\.0\.0\.300/),
        mend: `clusterf validate --config-source etcd://${etcd.host}/bad`,
      }),
    ]);
  });

  test('that is slow is told how slow', async () => {
    await using slow = await startGrpcProxy(etcd.port);
    slow.slow(150);
    const findings = await examined('--config-source', `etcd://${slow.host}/clusterf`);
    expect(bad(findings)).toEqual([
      expect.objectContaining({
        check: 'etcd',
        severity: 'warn',
        found: expect.stringMatching(/takes 1[5-9]\d ms|takes [2-9]\d\d ms/),
      }),
    ]);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'clock', found: expect.stringMatching(/does not say/) }),
    );
  });
});

test('an etcd whose space is used up is told, and has room again by what is printed', async () => {
  await using etcd = await startEtcd('--quota-backend-bytes', String(8 * 2 ** 20));
  const source = `etcd://${etcd.host}/clusterf`;
  const value = 'x'.repeat(2 ** 20);
  const fill = async () => {
    for (;;) await etcd.put('/other', value);
  };
  await expect(fill()).rejects.toThrow('space exceeded');
  const used = await examined('--config-source', source);
  expect(bad(used)).toEqual([
    expect.objectContaining({ check: 'etcd', severity: 'fail', found: expect.stringMatching(/alarm NOSPACE/) }),
  ]);
  await type(bad(used)[0]?.mend);
  expect(bad(await examined('--config-source', source))).toEqual([]);
  await etcd.put('/clusterf/services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80}');
});

describe('an etcd that asks who we are', () => {
  let etcd: EtcdProcess;
  let password: string;
  let source: readonly string[];

  const etcdctl = async (...words: readonly string[]) =>
    await run('etcdctl', ['--endpoints', etcd.host, '--user', 'root:secret', ...words], {
      env: { ...process.env, ETCDCTL_API: '3' },
    });

  beforeAll(async () => {
    etcd = await startEtcd();
    password = join(directory, 'password');
    await writeFile(password, 'secret\n');
    source = ['--config-source', `etcd://${etcd.host}/clusterf`];
    for (const name of ['root', 'balancer']) {
      await etcd.call('auth/user/add', { name, password: 'secret' });
      await etcd.call('auth/role/add', { name });
      await etcd.call('auth/user/grant', { user: name, role: name });
    }
    await etcd.call('auth/enable', {});
    await etcdctl('role', 'grant-permission', 'balancer', 'read', '--prefix', '/clusterf/');
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  const as = (user: string) => ['--etcd-user', user, '--etcd-password-file', password];

  test('tells nothing to nobody in particular', async () => {
    const [trouble] = bad(await examined('--for', 'ipvs', ...source));
    expect(trouble).toMatchObject({
      check: 'permissions',
      severity: 'fail',
      found: expect.stringMatching(/the tree cannot be read: .*--etcd-user and --etcd-password-file/),
    });
  });

  test('and does not know this user, says so', async () => {
    const [trouble] = bad(await examined('--for', 'ipvs', ...source, ...as('stranger')));
    expect(trouble).toMatchObject({ severity: 'fail', found: expect.stringMatching(/stranger/) });
  });

  test('and lets this user write nothing, has the key told; granted, it is fine', async () => {
    expect(bad(await examined('--for', 'ipvs', ...source, ...as('balancer')))).toEqual([
      expect.objectContaining({
        check: 'permissions',
        severity: 'fail',
        found: expect.stringMatching(/balancers\/lb1\/status cannot be written: .*permission denied/),
      }),
    ]);
    await etcdctl('role', 'grant-permission', 'balancer', 'readwrite', '/clusterf/balancers/lb1/status');
    expect(bad(await examined('--for', 'ipvs', ...source, ...as('balancer')))).toEqual([]);
  });

  test('has what a docker-agent of this user could not write told, and what grants it', async () => {
    const words = ['--for', 'docker', ...source, ...as('balancer')];
    const troubles = bad(await examined(...words));
    expect(troubles.map(({ severity, mend }) => `${severity} ${mend?.replace(/ +#.*/, '')}`)).toEqual([
      'fail clusterf etcd-roles --host host1',
      'warn clusterf etcd-roles --service clusterf-doctor',
    ]);
    await etcdctl('role', 'grant-permission', 'balancer', 'write', '/clusterf/hosts/host1/status');
    await etcdctl('role', 'grant-permission', 'balancer', 'write', '--prefix', '/clusterf/services/');
    expect(bad(await examined(...words))).toEqual([]);
  });
});
