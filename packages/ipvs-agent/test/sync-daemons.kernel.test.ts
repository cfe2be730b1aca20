import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { IpvsClient, type VirtualServiceId } from '@clusterf/ipvs';
import { decodeSync } from '@clusterf/model';
import { until } from '../../../test/fixtures/until.js';
import { projectRoot, requireMachine } from '../../../test/lab/index.js';
import { RecordedLog } from '../../daemon/test/recorded-log.js';
import { wantedDaemons } from '../src/daemon-ops.js';
import { wantedSysctls } from '../src/profiles.js';
import { StateFile } from '../src/state-file.js';
import { STARTED_DAEMONS, SyncDaemons } from '../src/sync-daemons.js';

const run = promisify(execFile);
const NO_MIXED = { mixedFamilies: false };

let client: IpvsClient;
let directory: string;
let log: RecordedLog;
let daemons: SyncDaemons;

/** What an agent with this state directory would have after a start. */
async function start(): Promise<SyncDaemons> {
  const report = (message: string) => log.error(message);
  const started = await StateFile.load({ ...STARTED_DAEMONS, directory, report });
  return new SyncDaemons({ client, started, log, interfaces: networkInterfaces });
}

/** A tree whose only entry is `sync`, or an empty one. */
function tree(sync?: object) {
  const decoded = sync && decodeSync(JSON.stringify(sync));
  if (decoded?.ok === false) throw new Error(decoded.messages.join());
  const settings = decoded === undefined ? {} : { sync: decoded.value };
  return wantedDaemons(settings, { balancer: 'lb1', apart: false });
}

/** The daemons as another program sees them. */
async function listed(): Promise<string[]> {
  const { stdout } = await run('ipvsadm', ['-L', '--daemon']);
  return stdout.trim().split('\n').filter(Boolean);
}

/** Process ids of the kernel's threads: another one is another daemon. */
async function threads(): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'pid,comm']);
  return stdout
    .split('\n')
    .filter((line) => line.includes(' ipvs-'))
    .map((line) => line.trim());
}

async function ip(line: string): Promise<void> {
  await run('ip', line.split(' '));
}

const messages = () => daemons.state.problems.map(({ key, message }) => `${key}: ${message}`);

beforeAll(async () => {
  requireMachine();
  client = await IpvsClient.open({ timeout: 500 });
  await ip('link add sync0 type dummy');
  await ip('addr add 10.9.0.1/24 dev sync0');
  await ip('addr add fd09::1/64 dev sync0 nodad');
  await ip('link set sync0 up');
});
beforeEach(async () => {
  await client.flush();
  for (const { role } of await client.daemons()) await client.delDaemon(role);
  directory = await mkdtemp(join(tmpdir(), 'clusterf-sync-'));
  log = new RecordedLog();
  daemons = await start();
});
afterEach(async () => rm(directory, { recursive: true }));
afterAll(async () => {
  for (const { role } of await client.daemons()) await client.delDaemon(role);
  await ip('link del sync0');
  client.close();
});

const sync = { interface: 'sync0', syncId: 3 };
const MASTER = 'master sync daemon (mcast=sync0, syncid=3, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)';
const BACKUP = 'backup sync daemon (mcast=sync0, syncid=3, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)';

describe('the daemons of the tree', () => {
  test.each([
    ['both', {}, [MASTER, BACKUP]],
    ['a master', { role: 'master' }, [MASTER]],
    ['a backup', { role: 'backup' }, [BACKUP]],
    [
      'an IPv4 group, a port, a TTL, a length',
      { group: '239.1.2.3', port: 9000, ttl: 3, maxlen: 1400, role: 'master' },
      ['master sync daemon (mcast=sync0, syncid=3, maxlen=1400, group=239.1.2.3, port=9000, ttl=3)'],
    ],
    [
      'an IPv6 group',
      { group: 'ff02::81', role: 'backup' },
      ['backup sync daemon (mcast=sync0, syncid=3, maxlen=1452, group=ff02::81, port=8848, ttl=1)'],
    ],
    [
      'the greatest length',
      { maxlen: 65507, role: 'master' },
      ['master sync daemon (mcast=sync0, syncid=3, maxlen=65507, group=224.0.0.81, port=8848, ttl=1)'],
    ],
  ])('run: %s; an agent started anew then leaves them as they are', async (_, settings, lines) => {
    const wanted = tree({ ...sync, ...settings });
    await daemons.reconcile(wanted, NO_MIXED);
    expect(messages()).toEqual([]);
    expect(await listed()).toEqual(lines);
    expect(daemons.state.running).toEqual(await client.daemons());

    const before = await threads();
    daemons = await start();
    expect(await daemons.rehearse(wanted, NO_MIXED)).toEqual([]);
    await daemons.reconcile(wanted, NO_MIXED);
    expect(await threads()).toEqual(before);
    expect(log.lines).toHaveLength(lines.length);
  });

  test.each([
    [65535, 65507, 'maxlen is 65535: the kernel makes 65507 of it; expected 80 to 65507'],
    [1, 1, 'maxlen is 1: no connection fits,'],
  ])('run with a length of %d as the kernel takes it, which is a problem', async (maxlen, taken, message) => {
    await daemons.reconcile(tree({ ...sync, maxlen, role: 'master' }), NO_MIXED);
    expect(await listed()).toEqual([MASTER.replace('1472', String(taken))]);
    expect(messages()).toEqual([expect.stringContaining(message)]);
  });

  test('change alone: a setting of one balancer’s backup leaves its master running', async () => {
    await daemons.reconcile({ ...tree(sync), daemons: tree(sync).daemons }, NO_MIXED);
    const [master, backup] = await threads();
    const { daemons: changed, ...rest } = tree({ ...sync, port: 9000 });
    const wanted = { ...rest, daemons: [...tree({ ...sync, role: 'master' }).daemons, ...changed.slice(1)] };
    await daemons.reconcile(wanted, NO_MIXED);
    expect(await listed()).toEqual([MASTER, BACKUP.replace('8848', '9000')]);
    expect((await threads()).includes(master ?? '')).toBe(true);
    expect((await threads()).includes(backup ?? '')).toBe(false);
    expect(JSON.stringify(log.lines.at(-1))).toBe(
      '{"level":"info","message":"changed sync daemon","role":"backup","interface":"sync0","syncId":3,"port":9000}',
    );
  });

  test.each([{ group: '239.1.2.3' }, { port: 9000 }, { ttl: 3 }, { maxlen: 1400 }])(
    'go back to the kernel’s own when the tree drops %p',
    async (setting) => {
      await daemons.reconcile(tree({ ...sync, role: 'master', ...setting }), NO_MIXED);
      expect(await listed()).not.toEqual([MASTER]);
      await daemons.reconcile(tree({ ...sync, role: 'master' }), NO_MIXED);
      expect(await listed()).toEqual([MASTER]);
    },
  );

  test('come back at the next look when somebody stopped one', async () => {
    await daemons.reconcile(tree(sync), NO_MIXED);
    await run('ipvsadm', ['--stop-daemon', 'master']);
    await daemons.reconcile(tree(sync), NO_MIXED);
    expect(await listed()).toEqual([BACKUP]);
    await daemons.resync();
    await daemons.reconcile(tree(sync), NO_MIXED);
    expect(await listed()).toEqual([MASTER, BACKUP]);
  });

  test('are stopped even before they ever ran, of which the kernel lets nobody hear', async () => {
    const wanted = tree({ ...sync, role: 'backup' });
    for (let round = 0; round < 5; round += 1) {
      await daemons.reconcile(wanted, NO_MIXED);
      await listed(); // Time for its thread, which the next one gets none of.
      await client.delDaemon('backup');
      await client.newDaemon({ role: 'backup', ...sync });
      await daemons.reconcile(tree(), NO_MIXED);
      expect(messages()).toEqual([]);
      expect(await listed()).toEqual([]);
    }
  });

  test('are only told of by a rehearsal', async () => {
    expect(await daemons.rehearse(tree(sync), NO_MIXED)).toEqual([
      'started sync daemon: role=master interface=sync0 syncId=3',
      'started sync daemon: role=backup interface=sync0 syncId=3',
    ]);
    expect(await listed()).toEqual([]);
  });
});

describe('when the tree no longer wants them', () => {
  test('those started from here are stopped, also by an agent started anew', async () => {
    await daemons.reconcile(tree(sync), NO_MIXED);
    daemons = await start();
    await daemons.reconcile(tree(), NO_MIXED);
    expect(await listed()).toEqual([]);
    expect(daemons.state).toEqual({ wanted: [], running: [], foreign: [], problems: [] });
  });

  test('those of others go on, and are told of once', async () => {
    await run('ipvsadm', '--start-daemon backup --mcast-interface sync0 --syncid 9'.split(' '));
    await daemons.reconcile(tree({ ...sync, role: 'master' }), NO_MIXED);
    await daemons.reconcile(tree(), NO_MIXED);
    await daemons.resync();
    await daemons.reconcile(tree(), NO_MIXED);
    expect(await listed()).toEqual([BACKUP.replace('syncid=3', 'syncid=9')]);
    expect(daemons.state.foreign).toMatchObject([{ role: 'backup', syncId: 9 }]);
    expect(log.text.match(/left alone/g)).toHaveLength(1);
  });

  test('one of the same role that somebody put in the place of ours goes on', async () => {
    await daemons.reconcile(tree(sync), NO_MIXED);
    await run('ipvsadm', ['--stop-daemon', 'master']);
    await run('ipvsadm', '--start-daemon master --mcast-interface sync0 --syncid 9'.split(' '));
    daemons = await start();
    await daemons.reconcile(tree(), NO_MIXED);
    expect(await listed()).toEqual([MASTER.replace('syncid=3', 'syncid=9')]);
  });
});

describe('settings that the kernel cannot use', () => {
  test('an interface that is not there is a problem, until a look finds it', async () => {
    const wanted = tree({ ...sync, interface: 'late0' });
    await daemons.reconcile(wanted, NO_MIXED);
    expect(messages()).toEqual([
      'sync: master daemon has no interface late0; expected one that is up, with an IPv4 address and an MTU of at least 68 (ENODEV)',
      'sync: backup daemon has no interface late0; expected one that is up, with an IPv4 address and an MTU of at least 68 (ENODEV)',
    ]);
    await ip('link add late0 type dummy');
    try {
      await ip('link set late0 up');
      await ip('addr add 10.9.1.1/24 dev late0');
      await daemons.reconcile(wanted, NO_MIXED);
      expect(await listed()).toEqual([]);
      await daemons.resync();
      await daemons.reconcile(wanted, NO_MIXED);
      expect(messages()).toEqual([]);
      expect(await listed()).toEqual([MASTER, BACKUP].map((line) => line.replace('sync0', 'late0')));
    } finally {
      await ip('link del late0');
    }
  });

  test.each([
    ['an interface without IPv6', 'ff02::81', 'disable_ipv6', 'master', 'ENETUNREACH'],
    ['an MTU too small for IPv6', 'ff02::81', 'mtu 1000', 'backup', 'EINVAL'],
    ['an MTU too small for IPv4', '239.1.1.1', 'mtu 60', 'backup', 'ENODEV'],
    ['an interface that is down', '239.1.1.1', 'down', 'master', 'ENETUNREACH'],
  ])('%s: a problem that names interface, group and what was expected', async (_, group, how, role, code) => {
    await ip('link add odd0 type dummy');
    try {
      await ip('link set odd0 up');
      if (how === 'disable_ipv6') await run('sysctl', ['-qw', 'net.ipv6.conf.odd0.disable_ipv6=1']);
      else await ip(`link set odd0 ${how}`);
      await daemons.reconcile(tree({ interface: 'odd0', group, role }), NO_MIXED);
      expect(messages()).toEqual([expect.stringMatching(`sync: ${role} daemon .*odd0; expected one .*(${code})`)]);
      expect(await listed()).toEqual([]);
    } finally {
      await ip('link del odd0');
    }
  });

  test('a change to them is taken back, and not tried again as long as nothing changes', async () => {
    await daemons.reconcile(tree(sync), NO_MIXED);
    const wanted = tree({ ...sync, interface: 'nonesuch0' });
    await daemons.reconcile(wanted, NO_MIXED);
    expect(await listed()).toEqual([MASTER, BACKUP]);
    expect(messages()[0]).toContain('no interface nonesuch0');
    expect(messages()[0]).toContain('meanwhile it runs as before: role=master interface=sync0');
    const before = await threads();
    await daemons.resync();
    await daemons.reconcile(wanted, NO_MIXED);
    expect(await threads()).toEqual(before);
    expect(messages()).toHaveLength(2);
    // It is still ours.
    await daemons.reconcile(tree(), NO_MIXED);
    expect(await listed()).toEqual([]);
  });

  test('not being allowed to is a problem, and nothing is thrown', async () => {
    await daemons.reconcile(tree(sync), NO_MIXED);
    process.seteuid?.(65534);
    try {
      await daemons.reconcile(tree({ ...sync, syncId: 4 }), NO_MIXED);
      expect(messages()).toContainEqual(expect.stringContaining('not permitted: needs CAP_NET_ADMIN'));
      await daemons.resync();
      await daemons.reconcile(tree({ ...sync, syncId: 4 }), NO_MIXED);
      expect(messages()).toContainEqual(expect.stringContaining('not permitted: needs CAP_NET_ADMIN'));
    } finally {
      process.seteuid?.(0);
    }
    expect(await listed()).toEqual([MASTER, BACKUP]);
    await daemons.resync();
    await daemons.reconcile(tree({ ...sync, syncId: 4 }), NO_MIXED);
    expect(messages()).toEqual([]);
    expect(await listed()).toEqual([MASTER, BACKUP].map((line) => line.replace('syncid=3', 'syncid=4')));
  });
});

describe('destinations of mixed families', () => {
  const service: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };
  const plain = { scheduler: 'rr', schedulerFlags: 0, onePacket: false };
  const mixed = {
    family: 'ipv6',
    address: 'fd00::1',
    port: 80,
    method: 'tunnel',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  } as const;

  test('that are there keep daemons from starting, as the kernel would; gone, they no longer do', async () => {
    await client.newService({ id: service, ...plain });
    await client.newDestination(service, mixed);
    await daemons.reconcile(tree(sync), { mixedFamilies: true });
    expect(messages()).toEqual([
      expect.stringContaining('sync: master daemon is not started: the kernel has destinations of another family'),
      expect.stringContaining('sync: backup daemon is not started'),
    ]);
    expect(await daemons.rehearse(tree(sync), { mixedFamilies: true })).toEqual([]);
    // What the kernel says to somebody who tries nevertheless.
    await expect(run('ipvsadm', '--start-daemon master --mcast-interface sync0'.split(' '))).rejects.toThrow('Invalid');

    await client.delDestination(service, mixed);
    await daemons.reconcile(tree(sync), NO_MIXED);
    expect(messages()).toEqual([]);
    expect(await listed()).toEqual([MASTER, BACKUP]);
  });

  test('are refused by the kernel while a daemon runs, and taken when the tree drops it', async () => {
    await daemons.reconcile(tree({ ...sync, role: 'backup' }), NO_MIXED);
    expect(daemons.state.running).toHaveLength(1);
    await client.newService({ id: service, ...plain });
    await expect(client.newDestination(service, mixed)).rejects.toMatchObject({ code: 'EINVAL' });
    await daemons.reconcile(tree(), { mixedFamilies: true });
    expect(daemons.state).toEqual({ wanted: [], running: [], foreign: [], problems: [] });
    await client.newDestination(service, mixed);
  });
});

/** What a balancer does in its network namespace: by the built packages, since a process is in one namespace. */
const balancer = (address: string, virtual: string) => `
  import { connect, createServer } from 'node:net';
  import { networkInterfaces } from 'node:os';
  import { createLogger } from '${projectRoot()}/packages/daemon/dist/index.js';
  import { IpvsClient } from '${projectRoot()}/packages/ipvs/dist/index.js';
  import { StateFile } from '${projectRoot()}/packages/ipvs-agent/dist/state-file.js';
  import { STARTED_DAEMONS, SyncDaemons } from '${projectRoot()}/packages/ipvs-agent/dist/sync-daemons.js';

  const client = await IpvsClient.open();
  const started = await StateFile.load({ ...STARTED_DAEMONS, directory: undefined, report: () => {} });
  const log = createLogger({ level: 'error', format: 'json', stream: process.stderr });
  const daemons = new SyncDaemons({ client, started, log, interfaces: networkInterfaces });
  const settings = { interface: 'sync', syncId: 7 };
  const wanted = { daemons: [{ role: 'master', ...settings }, { role: 'backup', ...settings }], problems: [] };
  await daemons.reconcile(wanted, { mixedFamilies: false });
  for (const { message } of daemons.state.problems) console.error(message);
  createServer().listen(8080);
  // An idle connection by the virtual service, from here to the other balancer's server, once that is there.
  const begin = () => connect({ host: '${virtual}', port: 80, localAddress: '${address}' }).on('error', () => setTimeout(begin, 50));
  begin();
`;
const BALANCERS = [
  { name: 'lb1', address: '10.9.0.1', virtual: '10.0.0.1', server: '10.9.0.2' },
  { name: 'lb2', address: '10.9.0.2', virtual: '10.0.0.2', server: '10.9.0.1' },
];

/** The namespaces, joined by a link, each with both services: the server of one is at the other. */
const SETUP = [
  'ip netns add lb1; ip netns add lb2; ip link add sync netns lb1 type veth peer name sync netns lb2',
  ...BALANCERS.flatMap(({ name, address, virtual }) => [
    `ip -n ${name} link set lo up; ip -n ${name} link set sync up`,
    `ip -n ${name} addr add ${address}/24 dev sync; ip -n ${name} addr add ${virtual}/32 dev lo`,
    ...wantedSysctls('edge-sync', []).map(
      (setting) => `ip netns exec ${name} sysctl -qw '${setting.name}=${setting.value}'`,
    ),
    ...BALANCERS.map((one) => `echo "-A -t ${one.virtual}:80\n-a -t ${one.virtual}:80 -r ${one.server}:8080 -m"`).map(
      (rules) => `${rules} | ip netns exec ${name} ipvsadm -R`,
    ),
  ]),
].join('\n');

async function connectionsOf(name: string): Promise<string> {
  const { stdout } = await run('ip', ['netns', 'exec', name, 'ipvsadm', '-Lnc']);
  return stdout;
}

test('two balancers with both daemons each know each other’s idle connections', async () => {
  const running: ChildProcess[] = [];
  try {
    await run('sh', ['-ec', SETUP]);
    for (const { name, address, virtual } of BALANCERS) {
      const node = [process.execPath, '--input-type=module', '-e', balancer(address, virtual)];
      running.push(spawn('ip', ['netns', 'exec', name, ...node], { stdio: ['ignore', 'inherit', 'inherit'] }));
    }
    for (const [i, { address, virtual, server }] of BALANCERS.entries()) {
      const name = BALANCERS[1 - i]?.name ?? '';
      const synced = new RegExp(`ESTABLISHED ${address}:\\d+ +${virtual}:80 +${server}:8080`);
      expect(
        await until(`${name} knows the other’s connection`, async () => synced.test(await connectionsOf(name)), 30_000),
      ).toBe(true);
    }
  } finally {
    for (const child of running) child.kill('SIGKILL');
    for (const { name } of BALANCERS) await ip(`netns del ${name}`);
  }
});
