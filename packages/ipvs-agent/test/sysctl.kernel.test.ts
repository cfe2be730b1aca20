import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requireMachine } from '../../../test/lab/index.js';
import { RecordedLog } from '../../daemon/test/recorded-log.js';
import { PROFILE_NAMES, wantedSysctls } from '../src/profiles.js';
import { type SysctlSetting, Sysctls } from '../src/sysctl.js';

const run = promisify(execFile);

function sysctls(settings: readonly SysctlSetting[]): Sysctls {
  return new Sysctls({ settings, root: '/proc/sys', log: new RecordedLog() });
}

/** As another program reads them. */
async function readAll(names: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run('sysctl', ['-n', ...names]);
  return stdout
    .trim()
    .split('\n')
    .map((value) => value.trim().replaceAll(/\s+/g, ' '));
}

async function read(name: string): Promise<string | undefined> {
  return (await readAll([name]))[0];
}

let names: readonly string[] = [];
let found: readonly string[] = [];

async function restore(): Promise<void> {
  await run('sysctl', ['-qw', ...names.map((name, i) => `${name}=${found[i]}`)]);
}

beforeAll(async () => {
  requireMachine();
  await run('modprobe', ['-a', 'ip_vs', 'ipip']);
  names = [...new Set(PROFILE_NAMES.flatMap((profile) => wantedSysctls(profile, []).map(({ name }) => name)))];
  found = await readAll(names);
});
afterAll(restore);

test.each(PROFILE_NAMES)(
  'the profile %s is what the kernel then has, and nothing else has changed',
  async (profile) => {
    await restore();
    const settings = wantedSysctls(profile, []);
    const kept = sysctls(settings);
    await kept.reconcile();
    expect(kept.problems).toEqual([]);
    expect(kept.status).toHaveLength(settings.length);
    const expected = names.map((name, i) => settings.find((setting) => setting.name === name)?.value ?? found[i]);
    expect(await readAll(names)).toEqual(expected);
    expect(await sysctls(settings).rehearse()).toEqual([]);
  },
);

test.each([
  ['a threshold above its period', 'net.ipv4.vs.sync_threshold=50 2', 'the kernel does not take that value'],
  ['words for a number', 'net.ipv4.vs.sloppy_tcp=yes please', 'the kernel does not take that value'],
  ['a sysctl that is only told', 'kernel.ostype=Plan9', 'not permitted (EACCES)'],
])('%s: a problem with both values, and the next one is set', async (_, override, why) => {
  const [name = '', value = ''] = override.split('=');
  const before = await read(name);
  const kept = sysctls(wantedSysctls(undefined, [override, 'net.ipv4.vs.sync_retries=1']));
  await kept.reconcile();
  expect(kept.problems).toEqual([
    { source: 'kernel', key: name, message: `found "${before}", wanted "${value}": ${why}` },
  ]);
  expect(await read(name)).toBe(before);
  expect(await read('net.ipv4.vs.sync_retries')).toBe('1');
  await run('sysctl', ['-qw', 'net.ipv4.vs.sync_retries=0']);
});

test('a number is what the kernel reads it as, however it was written', async () => {
  const kept = sysctls(wantedSysctls(undefined, ['net.ipv4.vs.sync_retries=0x2']));
  await kept.reconcile();
  await kept.reconcile();
  expect(kept.problems).toEqual([]);
  expect(await read('net.ipv4.vs.sync_retries')).toBe('2');
  await run('sysctl', ['-qw', 'net.ipv4.vs.sync_retries=0']);
});

test('a VLAN’s interface, whose name has a dot', async () => {
  await run('ip', 'link add eth9.100 type dummy'.split(' '));
  try {
    await sysctls(wantedSysctls(undefined, ['net.ipv4.conf.eth9/100.rp_filter=2'])).reconcile();
    expect(await read('net/ipv4/conf/eth9.100/rp_filter')).toBe('2');
  } finally {
    await run('ip', 'link del eth9.100'.split(' '));
  }
});

test('without the right to write, every value that differs is a problem and those that do not are none', async () => {
  const kept = sysctls(wantedSysctls(undefined, ['net.ipv4.vs.sync_retries=1', 'net.ipv4.vs.sync_version=1']));
  process.seteuid?.(65534);
  try {
    await kept.reconcile();
  } finally {
    process.seteuid?.(0);
  }
  expect(kept.problems).toEqual([
    {
      source: 'kernel',
      key: 'net.ipv4.vs.sync_retries',
      message: expect.stringMatching('^found "0", wanted "1": not permitted'),
    },
  ]);
  await kept.reconcile();
  expect(kept.problems).toEqual([]);
  await run('sysctl', ['-qw', 'net.ipv4.vs.sync_retries=0']);
});

test('a read-only /proc/sys is a problem for each value that differs, until it can be written', async () => {
  await run('mount', ['--bind', '/proc/sys', '/proc/sys']);
  await run('mount', ['-o', 'remount,ro,bind', '/proc/sys']);
  const kept = sysctls(wantedSysctls(undefined, ['net.ipv4.vs.sync_retries=1', 'net.ipv4.vs.sync_version=1']));
  let rehearsed: readonly string[];
  try {
    rehearsed = await kept.rehearse();
    await kept.reconcile();
  } finally {
    await run('umount', ['/proc/sys']);
  }
  expect(rehearsed).toEqual([
    'cannot set sysctl: net.ipv4.vs.sync_retries = 1  # /proc/sys is read-only here, so it has to be set from outside (EROFS)',
  ]);
  expect(kept.problems).toEqual([
    {
      source: 'kernel',
      key: 'net.ipv4.vs.sync_retries',
      message: 'found "0", wanted "1": /proc/sys is read-only here, so it has to be set from outside (EROFS)',
    },
  ]);
  expect(kept.status[1]).toEqual({ name: 'net.ipv4.vs.sync_version', found: '1', wanted: '1', set: false });
  await kept.reconcile();
  expect(kept.problems).toEqual([]);
  await run('sysctl', ['-qw', 'net.ipv4.vs.sync_retries=0']);
});
