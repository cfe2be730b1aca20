import { expect, test } from '@jest/globals';
import type { SyncDaemon } from '@clusterf/ipvs';
import type { Config, SyncSettings } from '@clusterf/model';
import { daemonOps, lengthProblems, printDaemonOp, runsAs, wantedDaemons } from '../src/daemon-ops.js';

const config = (sync?: SyncSettings, own?: SyncSettings): Pick<Config, 'sync' | 'balancerSync'> => ({
  ...(sync && { sync }),
  ...(own && { balancerSync: new Map([['lb1', own]]) }),
});
const settings: SyncSettings = { interface: 'eth0', syncId: 5, role: 'both' };
const lb = (balancer: string, apart = false) => ({ balancer, apart });
const master: SyncDaemon = { role: 'master', interface: 'eth0', syncId: 5 };
const backup: SyncDaemon = { ...master, role: 'backup' };
/** As the kernel reports what was asked for with nothing but interface and id. */
const filled = { group: '224.0.0.81', port: 8848, ttl: 1, maxLength: 1472 };

test('no settings want nothing', () => {
  expect(wantedDaemons(config(), lb('lb1'))).toEqual({ daemons: [], problems: [] });
});

test.each([
  ['both', [master, backup]],
  ['master', [master]],
  ['backup', [backup]],
] as const)('the role %s', (role, daemons) => {
  expect(wantedDaemons(config({ ...settings, role }), lb('lb1'))).toEqual({ key: 'sync', daemons, problems: [] });
});

test('a balancer’s own settings replace the general ones whole', () => {
  const both = config({ ...settings, ttl: 7 }, { interface: 'eth1', syncId: 6, maxlen: 1400, role: 'master' });
  expect(wantedDaemons(both, lb('lb1'))).toEqual({
    key: 'balancers/lb1/sync',
    daemons: [{ role: 'master', interface: 'eth1', syncId: 6, maxLength: 1400 }],
    problems: [],
  });
  expect(wantedDaemons(both, lb('lb2'))).toMatchObject({ key: 'sync', daemons: [{ ttl: 7 }, { ttl: 7 }] });
});

test('a balancer of a host tier takes no part in what the edge tier syncs, unless its own settings say so', () => {
  expect(wantedDaemons(config(settings), lb('lb1', true))).toEqual({ daemons: [], problems: [] });
  expect(wantedDaemons(config(settings, settings), lb('lb1', true))).toMatchObject({ daemons: [master, backup] });
});

test.each<[string, Partial<SyncSettings>, string | undefined]>([
  ['is left open', {}, undefined],
  ['is what a kernel might choose', { maxlen: 1472 }, undefined],
  ['has just room for a connection', { maxlen: 80 }, undefined],
  [
    'has room for none',
    { maxlen: 1 },
    'maxlen is 1: no connection fits, so the kernel sends each in a message of its own, longer than that; expected 80 to 65507',
  ],
  ['has room for none, where nothing is sent', { maxlen: 1, role: 'backup' }, undefined],
  [
    'is longer than a datagram',
    { maxlen: 65_535 },
    'maxlen is 65535: the kernel makes 65507 of it; expected 80 to 65507',
  ],
  [
    'is longer than one of IPv6',
    { maxlen: 65_500, group: 'ff02::81' },
    'maxlen is 65500: the kernel makes 65487 of it; expected 80 to 65487',
  ],
])('a length that %s is a problem or none, and starts all the same', (_, fields, message) => {
  const wanted = wantedDaemons(config({ ...settings, ...fields }), lb('lb1'));
  expect(wanted.problems).toEqual([]);
  expect(wanted.daemons).not.toEqual([]);
  expect(lengthProblems(wanted)).toEqual(message === undefined ? [] : [{ source: 'kernel', key: 'sync', message }]);
});

test('a group that is not multicast is a problem, and stops nothing', () => {
  const wanted = wantedDaemons(config({ ...settings, group: '10.0.0.1' }), lb('lb1'));
  expect(wanted.problems).toEqual([
    {
      source: 'kernel',
      key: 'sync',
      message: 'sync.group: got "10.0.0.1", expected an IPv4 or IPv6 multicast address',
    },
  ]);
  expect(daemonOps(wanted, [{ ...master, ...filled }], [master])).toEqual([]);
});

test.each<[string, SyncDaemon, SyncDaemon, boolean]>([
  ['nothing but defaults', master, { ...master, ...filled }, true],
  ['the defaults written out', { ...master, ...filled }, { ...master, ...filled }, true],
  ['a group that was dropped', master, { ...master, ...filled, group: '239.1.1.1' }, false],
  ['a port that was dropped', master, { ...master, ...filled, port: 9000 }, false],
  ['a TTL that was dropped', master, { ...master, ...filled, ttl: 2 }, false],
  ['a length that was dropped', master, { ...master, ...filled, maxLength: 1400 }, false],
  ['another id', { ...master, syncId: 6 }, { ...master, ...filled }, false],
  ['another interface', { ...master, interface: 'eth1' }, { ...master, ...filled }, false],
  ['the other role', backup, { ...master, ...filled }, false],
  [
    'longer IPv6 headers',
    { ...master, group: 'ff02::81' },
    { ...master, ...filled, group: 'ff02::81', maxLength: 1452 },
    true,
  ],
  ['a backup by a jumbo interface', backup, { ...backup, ...filled, maxLength: 8972 }, true],
  ['a backup with too little room', backup, { ...backup, ...filled, maxLength: 1024 }, false],
  [
    'the least room that a backup takes',
    { ...backup, maxLength: 100 },
    { ...backup, ...filled, maxLength: 1024 },
    true,
  ],
  ['a master has no least', { ...master, maxLength: 100 }, { ...master, ...filled, maxLength: 100 }, true],
  ['the longest there is', { ...master, maxLength: 65535 }, { ...master, ...filled, maxLength: 65507 }, true],
])('%s', (_, asked, running, same) => {
  expect(runsAs(asked, running)).toBe(same);
});

test('only the daemon whose settings changed is changed', () => {
  const wanted = { daemons: [master, { ...backup, port: 9000 }], problems: [] };
  const running = [
    { ...master, ...filled },
    { ...backup, ...filled },
  ];
  const ops = daemonOps(wanted, running, []);
  expect(ops).toEqual([{ command: 'change', daemon: { ...backup, port: 9000 }, from: { ...backup, ...filled } }]);
  expect(ops.map(printDaemonOp)).toEqual(['changed sync daemon: role=backup interface=eth0 syncId=5 port=9000']);
});

test('what nobody wants is stopped if it was started from here, and else left alone', () => {
  const running = [
    { ...master, ...filled },
    { ...backup, ...filled, syncId: 9 },
  ];
  expect(daemonOps({ daemons: [], problems: [] }, running, [master, backup])).toEqual([
    { command: 'stop', daemon: running[0] },
  ]);
});
