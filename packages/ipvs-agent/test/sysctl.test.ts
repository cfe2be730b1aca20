import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RecordedLog } from '../../daemon/test/recorded-log.js';
import { PROFILE_NAMES, PROFILES, wantedSysctls } from '../src/profiles.js';
import { checkSysctl, parseSysctl, type SysctlSetting, Sysctls } from '../src/sysctl.js';

let root: string;
let log: RecordedLog;

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function at(path: string): Promise<string> {
  return await readFile(join(root, path), 'utf8');
}

function sysctls(...settings: readonly SysctlSetting[]): Sysctls {
  return new Sysctls({ settings, root, log });
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'clusterf-sysctl-'));
  log = new RecordedLog();
  await put('net/ipv4/vs/sloppy_tcp', '0\n');
  await put('net/ipv4/vs/sync_threshold', '3\t50\n');
});
afterEach(async () => rm(root, { recursive: true }));

const SLOPPY = { name: 'net.ipv4.vs.sloppy_tcp', value: '1' };
const THRESHOLD = { name: 'net.ipv4.vs.sync_threshold', value: '2 50' };

describe('--sysctl', () => {
  test.each([
    ['net.ipv4.vs.sloppy_tcp=1', SLOPPY],
    ['net/ipv4/vs/sloppy_tcp=1', SLOPPY],
    ['net.ipv4.vs.sync_threshold = 2 50 ', THRESHOLD],
    ['net.ipv4.vs.sync_threshold=2\t50', { ...THRESHOLD, value: '2\t50' }],
    ['net.ipv4.conf.eth0/100.rp_filter=0', { name: 'net.ipv4.conf.eth0/100.rp_filter', value: '0' }],
    ['net/ipv4/conf/eth0.100/rp_filter=0', { name: 'net.ipv4.conf.eth0/100.rp_filter', value: '0' }],
    ['kernel.core_pattern=|/bin/x -a=b', { name: 'kernel.core_pattern', value: '|/bin/x -a=b' }],
  ])('reads %p', (text, setting) => {
    expect(parseSysctl(text)).toEqual({ ok: true, value: setting });
    expect(checkSysctl(text)).toBeUndefined();
  });

  test.each([
    '',
    'net.ipv4.vs.sloppy_tcp',
    'net.ipv4.vs.sloppy_tcp=',
    '=1',
    'sloppy_tcp=1',
    '50',
    '../etc/passwd=1',
    'net/../../etc/passwd=1',
    'net/./ipv4=1',
    'net..ipv4=1',
    'a.//.b=1',
    'a.b.//=1',
    '/proc/sys/net=1',
    '.net.ipv4=1',
    'net.ipv4.vs. sloppy_tcp=1',
    'net.ipv4.vs.sloppy_tcp=1\n2',
    'net.ipv4.\u0000=1',
  ])('does not take %p', (text) => {
    expect(checkSysctl(text)).toMatch(/^NAME=VALUE such as net\.ipv4\.vs\.sloppy_tcp=1/);
  });

  test('stands in the place of the profile’s value, or after the profile; later ones win', () => {
    const [first, ...rest] = wantedSysctls('edge-mh', ['net.ipv4.vs.expire_nodest_conn=0', 'a.b=1', 'a/b=2']);
    expect(first).toEqual({ name: 'net.ipv4.vs.expire_nodest_conn', value: '0' });
    expect(rest.at(-1)).toEqual({ name: 'a.b', value: '2' });
    expect(rest).toHaveLength(PROFILES['edge-mh'].length);
    expect(wantedSysctls(undefined, ['a.b=1'])).toEqual([{ name: 'a.b', value: '1' }]);
    expect(wantedSysctls(undefined, [])).toEqual([]);
  });
});

describe('settings', () => {
  test('that differ are set; those that do not are left alone', async () => {
    const kept = sysctls(SLOPPY, { ...THRESHOLD, value: '3 50' });
    await kept.reconcile();
    expect(kept.status).toEqual([
      { name: 'net.ipv4.vs.sloppy_tcp', found: '0', wanted: '1', set: true },
      { name: 'net.ipv4.vs.sync_threshold', found: '3 50', wanted: '3 50', set: false },
    ]);
    expect(kept.problems).toEqual([]);
    expect(await at('net/ipv4/vs/sloppy_tcp')).toBe('1\n');
    // Not so much as written again.
    expect(await at('net/ipv4/vs/sync_threshold')).toBe('3\t50\n');
    expect(log.lines).toEqual([
      {
        level: 'info',
        message: 'sysctls found',
        'net.ipv4.vs.sloppy_tcp': '0',
        'net.ipv4.vs.sync_threshold': '3 50',
      },
      { level: 'info', message: 'set sysctl', sysctl: 'net.ipv4.vs.sloppy_tcp', found: '0', value: '1' },
    ]);
  });

  test('that are as wanted make no noise the second time', async () => {
    const kept = sysctls(SLOPPY);
    await kept.reconcile();
    const before = log.lines.length;
    await kept.reconcile();
    expect(log.lines).toHaveLength(before);
    expect(kept.status).toEqual([{ name: 'net.ipv4.vs.sloppy_tcp', found: '0', wanted: '1', set: true }]);
  });

  test('that somebody changed are set again, and that is said', async () => {
    const kept = sysctls(SLOPPY);
    await kept.reconcile();
    await put('net/ipv4/vs/sloppy_tcp', '0\n');
    await kept.reconcile();
    expect(await at('net/ipv4/vs/sloppy_tcp')).toBe('1\n');
    expect(log.lines.at(-1)).toEqual({
      level: 'warn',
      message: 'somebody changed a sysctl: set again',
      sysctl: 'net.ipv4.vs.sloppy_tcp',
      found: '0',
      value: '1',
    });
  });

  test('of an interface with a dot in its name reach its directory', async () => {
    await put('net/ipv4/conf/eth0.100/rp_filter', '2\n');
    await sysctls(...wantedSysctls(undefined, ['net.ipv4.conf.eth0/100.rp_filter=0'])).reconcile();
    expect(await at('net/ipv4/conf/eth0.100/rp_filter')).toBe('0\n');
  });

  test('for an interface that is not there wait until it is', async () => {
    await put('net/ipv4/conf/all/rp_filter', '1\n');
    const kept = sysctls({ name: 'net.ipv4.conf.all.rp_filter', value: '0', interface: 'tunl0' });
    await kept.reconcile();
    expect(kept.status).toEqual([]);
    await mkdir(join(root, 'net/ipv4/conf/tunl0'));
    await kept.reconcile();
    expect(await at('net/ipv4/conf/all/rp_filter')).toBe('0\n');
  });

  test('are only told of by a rehearsal', async () => {
    const missing = { name: 'net.ipv4.vs.nonesuch', value: '1' };
    expect(await sysctls(SLOPPY, { ...THRESHOLD, value: '3 50' }, missing).rehearse()).toEqual([
      'set sysctl: net.ipv4.vs.sloppy_tcp = 1  # was 0',
      'cannot set sysctl: net.ipv4.vs.nonesuch = 1  # this kernel has no such sysctl',
    ]);
    expect(await at('net/ipv4/vs/sloppy_tcp')).toBe('0\n');
  });
});

describe('a setting that cannot be is a problem, and the others are set', () => {
  test.each([
    ['net.ipv4.vs.nonesuch', 'this kernel has no such sysctl; wanted "1"'],
    ['net.ipv4.vs', 'it is a group of sysctls; expected one of them; wanted "1"'],
    ['net.ipv4.vs.sloppy_tcp.more', 'this kernel has no such sysctl; wanted "1"'],
    ['net.ipv4.conf.eth9.rp_filter', 'there is no interface eth9; wanted "1"'],
    ['net.ipv6.conf.eth9/7.forwarding', 'there is no interface eth9.7; wanted "1"'],
  ])('%s', async (name, message) => {
    const kept = sysctls({ name, value: '1' }, SLOPPY);
    await kept.reconcile();
    expect(kept.problems).toEqual([{ source: 'kernel', key: name, message }]);
    expect(kept.status[0]).toEqual({ name, wanted: '1', set: false, problem: message });
    expect(await at('net/ipv4/vs/sloppy_tcp')).toBe('1\n');
    expect((await readdir(join(root, 'net/ipv4/vs'))).toSorted()).toEqual(['sloppy_tcp', 'sync_threshold']);
  });

  test('ip_vs is not loaded, and then is', async () => {
    await rm(join(root, 'net/ipv4/vs'), { recursive: true });
    const kept = sysctls(SLOPPY);
    await kept.reconcile();
    expect(kept.problems.map(({ message }) => message)).toEqual(['ip_vs is not loaded; wanted "1"']);
    await put('net/ipv4/vs/sloppy_tcp', '0\n');
    await kept.reconcile();
    expect(kept.problems).toEqual([]);
    expect(await at('net/ipv4/vs/sloppy_tcp')).toBe('1\n');
  });

  test('a value that does not stay', async () => {
    await rm(join(root, 'net/ipv4/vs/sloppy_tcp'));
    // What is written there is gone at once.
    await symlink('/dev/null', join(root, 'net/ipv4/vs/sloppy_tcp'));
    const kept = sysctls(SLOPPY);
    await kept.reconcile();
    expect(kept.problems.map(({ message }) => message)).toEqual(['found "", wanted "1": the kernel made "" of it']);
  });
});

test('nothing but what was asked for is written', async () => {
  await put('net/ipv4/ip_forward', '0\n');
  await sysctls(...wantedSysctls('edge-sync', [])).reconcile();
  expect(await at('net/ipv4/ip_forward')).toBe('0\n');
  expect((await readdir(join(root, 'net/ipv4/vs'))).toSorted()).toEqual(['sloppy_tcp', 'sync_threshold']);
});

test.each(PROFILE_NAMES)('the profile %s says every name once, in sysctl’s own form', (profile) => {
  const names = PROFILES[profile].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, value } of PROFILES[profile]) {
    expect(parseSysctl(`${name}=${value}`)).toEqual({ ok: true, value: { name, value } });
  }
});

test('every profile can be chosen by name', () => {
  expect(PROFILE_NAMES.toSorted()).toEqual(Object.keys(PROFILES).toSorted());
});
