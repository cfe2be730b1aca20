/** How the agent lives with signals, restarts, a second of its kind and whoever else uses the kernel's table. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { projectRoot, requireMachine } from '../../../test/lab/index.js';
import { EtcdTree, ipvsadm, operations, untilEqual, run, Site, table, untilReady, untilTable } from './site.js';
import { address, did, lines, web, WEB_FRONTEND, WEB_KEY } from './web.js';

const QUICK = ['--print', '--resync', '200ms', '--drain-timeout', '0', '--brake', 'off'];

const OTHERS = '10.9.9.9:443';
const FOREIGN = [`-A -t ${OTHERS} -s wlc`, `-a -t ${OTHERS} -r 172.17.9.9:443 -m -w 1`];

/** Somebody else's virtual service. */
async function addForeign(): Promise<void> {
  await ipvsadm('-A', '-t', OTHERS);
  await ipvsadm('-a', '-t', OTHERS, '-r', '172.17.9.9:443', '-m');
}

/** Runs a command in the network namespace `other`, and gives its lines, sorted. */
async function there(...command: readonly string[]): Promise<string[]> {
  const { stdout } = await run('nsenter', ['--net=/run/netns/other', ...command]);
  return stdout.trim().split('\n').toSorted();
}

/** A destination of `web` in ipvsadm's words. */
function destination(name: string): string[] {
  return ['-t', '10.0.0.1:80', '-r', `${address(name)}:8080`];
}

/** A process that has the lock's name, started by these words. */
async function takeLock(as: readonly string[]): Promise<{ readonly pid: number | undefined } & AsyncDisposable> {
  const name = `'\\0clusterf-ipvs'.padEnd(108, '\\0')`;
  const take = `require('net').createServer().listen(${name}, () => console.log('taken'))`;
  const [program, ...words] = [...as, process.execPath, '-e', take] as const;
  const child = spawn(program, words);
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

beforeAll(() => {
  requireMachine();
});

describe('a second agent on a machine', () => {
  test('refuses, with the first’s process id, also while that one is stopped, and not a moment after it was killed', async () => {
    await using site = await Site.make(web('a'));
    await using first = site.start(...QUICK);
    await untilReady(first);
    const { pid = 0 } = first;
    const refusal = `another clusterf-ipvs or clusterf up, process ${pid}, keeps this machine's IPVS table; end it first`;

    await using second = site.start(...QUICK);
    expect(await second.exit()).toBe(1);
    expect(second.log).toMatchObject([{ level: 'error', message: refusal }]);

    process.kill(pid, 'SIGSTOP');
    await using third = site.start(...QUICK);
    expect(await third.exit()).toBe(1);
    expect(third.log).toMatchObject([{ level: 'error', message: refusal }]);

    await first.stop('SIGKILL');
    await site.once();
    expect(await table()).toEqual(lines('a'));
  });

  test('may look: --noop works beside the one that writes', async () => {
    await using site = await Site.make(web('a'));
    await using first = site.start(...QUICK);
    await untilReady(first);
    expect((await site.once('--noop')).output).toBe('nothing to do\n');
  });

  describe.each([
    ['an unprivileged user', ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], 65534],
    [
      'an unprivileged user who is root in a user namespace of their own',
      ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'unshare', '--user', '--map-root-user'],
      65534,
    ],
    ['root without the right to change the table', ['setpriv', '--bounding-set=-net_admin'], 0],
  ])('of which %s has taken the lock’s name', (_, as, uid) => {
    test('runs all the same, and says whose the name is', async () => {
      await using site = await Site.make(web('a'));
      await using thief = await takeLock(as);
      const agent = await site.once();
      expect(agent.log).toContainEqual(
        expect.objectContaining({
          level: 'warn',
          message: 'somebody who is no agent holds the lock that keeps two of them apart: going on without',
          pid: thief.pid,
          uid,
        }),
      );
      expect(await table()).toEqual(lines('a'));
    });
  });

  test('refuses also if the first runs as a user of its own who may change the table, as units have it', async () => {
    await using site = await Site.make(web('a'));
    const caps = ['--inh-caps=+net_admin', '--ambient-caps=+net_admin'];
    await using first = await takeLock(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...caps]);
    await using second = site.start(...QUICK);
    expect(await second.exit()).toBe(1);
    expect(second.log).toMatchObject([
      { message: expect.stringContaining(`another clusterf-ipvs or clusterf up, process ${first.pid},`) },
    ]);
  });

  test('in another network namespace is in nobody’s way, and has a state of its own in the same --state-dir', async () => {
    await using site = await Site.make(web('a'));
    await using first = site.start(...QUICK);
    await untilReady(first);
    await run('ip', ['netns', 'add', 'other']);
    try {
      await there('ip', 'link', 'set', 'lo', 'up'); // Else the kernel knows no unicast address there.
      const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs');
      const flags = ['--config-source', site.source, '--state-dir', site.stateDirectory, '--once'];
      await there(process.execPath, bin, ...flags);
      expect(await there('ipvsadm', '-Sn')).toEqual(lines('a'));

      const states = await readdir(site.stateDirectory);
      expect(states).toHaveLength(2);
      for (const name of states) {
        const owned = await readFile(join(site.stateDirectory, name, 'owned.json'), 'utf8');
        expect(JSON.parse(owned)).toMatchObject({ virtualServices: [WEB_KEY] });
      }

      // What goes here is no news there: each deletes what is its own.
      await site.put({ 'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432, scheduler: 'rr' } });
      await site.remove('services/web');
      await untilTable(['-A -t 10.0.0.2:5432 -s rr']);
      expect(await there('ipvsadm', '-Sn')).toEqual(lines('a'));
      await there(process.execPath, bin, ...flags);
      expect(await there('ipvsadm', '-Sn')).toEqual(['-A -t 10.0.0.2:5432 -s rr']);
    } finally {
      await run('ip', ['netns', 'del', 'other']);
    }
  });
});

describe('a signal', () => {
  test('SIGTERM in mid-pass: the pass is finished, and a new agent finds nothing to do', async () => {
    const SERVICES = 2000;
    await using etcd = await startEtcd();
    const tree = new EtcdTree(etcd, '/clusterf');
    await using site = await Site.make();
    const names = Array.from({ length: SERVICES }, (_, i) => i);
    await tree.put(
      Object.fromEntries(
        names.flatMap((i) => [
          [`services/s${i}/frontend`, { ipv4: '10.1.0.0', tcp: i + 1, scheduler: 'rr' }],
          [`services/s${i}/backends/a`, { ipv4: '172.17.0.1', tcp: 8080 }],
        ]),
      ),
    );
    await using agent = site.start(...tree.source());
    const seen = await until('the first are in the kernel', async () => {
      const { length } = (await readFile('/proc/net/ip_vs', 'utf8')).split('\n');
      return length > 10 ? length : undefined;
    });
    expect(await agent.stop('SIGTERM')).toBe(0);
    expect(seen).toBeLessThan(2 * SERVICES);
    expect(await table()).toHaveLength(2 * SERVICES);
    expect((await site.once(...tree.source(), '--noop')).output).toBe('nothing to do\n');
  });

  test('SIGHUP: files are read again and the kernel is looked through, also with --resync 0', async () => {
    await using site = await Site.make(web('ab'));
    await using agent = site.start(...QUICK, '--resync', '0');
    await untilReady(agent);
    await ipvsadm('-d', ...destination('a'));
    const { pid = 0 } = agent;
    process.kill(pid, 'SIGHUP');
    await untilTable(lines('ab'));
    await until('the files are read again', () => agent.logged('source read').length === 2);
    expect(agent.logged('reading again')).toHaveLength(1);
    expect(await agent.stop('SIGTERM')).toBe(0);
    expect(await table()).toEqual(lines('ab'));
  });
});

describe('virtual services that somebody else made', () => {
  test('are left alone and reported, those that come later too', async () => {
    await using site = await Site.make(web('a'));
    await addForeign();
    await using agent = site.start(...QUICK);
    await untilReady(agent);
    const message = 'virtual services that are not ours are left alone';
    expect(agent.logged(message)).toMatchObject([{ virtualServices: [`tcp ${OTHERS}`] }]);
    await ipvsadm('-A', '-f', '7');
    await until('the later one is reported', () => agent.logged(message).length === 2);
    expect(agent.logged(message)[1]).toMatchObject({ virtualServices: ['fwmark ipv4 7', `tcp ${OTHERS}`] });
    expect(await table()).toEqual([...lines('a'), ...FOREIGN, '-A -f 7 -s wlc'].toSorted());
    await untilEqual(() => operations(agent), [`new service ${WEB_KEY}`, ...did('new', 'a')]);
  });

  test('are taken over with --adopt: what the tree does not name goes, what it names becomes as it says', async () => {
    await using site = await Site.make(web('ab'));
    await addForeign();
    await ipvsadm('-A', '-t', '10.0.0.1:80', '-s', 'lc');
    await ipvsadm('-a', ...destination('a'), '-m', '-w', '3');
    await ipvsadm('-a', ...destination('z'), '-m');
    const agent = await site.once('--adopt', '--drain-timeout', '0', '--brake', 'off');
    expect(await table()).toEqual(lines('ab').toSorted());
    await untilEqual(
      () => operations(agent),
      [
        `changed service ${WEB_KEY}`,
        ...did('new', 'b'),
        ...did('changed', 'a'),
        ...did('removed', 'z'),
        `removed service tcp ${OTHERS}`,
      ],
    );
  });

  test('are what a torn state file makes of ours: nothing is deleted, and the file is named', async () => {
    await using site = await Site.make(web('ab'));
    await site.once();
    const [namespace = ''] = await readdir(site.stateDirectory);
    const file = join(site.stateDirectory, namespace, 'owned.json');
    await truncate(file, 20);
    await site.remove('services/web');
    await site.put({ 'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432, scheduler: 'rr' } });
    const agent = await site.once('--brake', 'off');
    expect(await table()).toEqual([...lines('ab'), '-A -t 10.0.0.2:5432 -s rr'].toSorted());
    expect(agent.log).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: `${file}: unreadable, so what an earlier run left is not known`,
      }),
    );
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ virtualServices: ['tcp 10.0.0.2:5432'] });
  });
});

test('a restart on an unchanged tree issues no operation, whatever is in it', async () => {
  const backend = { ipv4: '172.17.0.2', ipv6: '2001:db8::2', tcp: 80, udp: 80, sctp: 80 };
  const full = { ipv4: '10.3.0.1', ipv6: '2001:db8:1::1', tcp: 80, udp: 80, sctp: 80 };
  await using site = await Site.make({
    'services/plain/frontend': full,
    'services/plain/backends/a': backend,
    'services/plain/backends/drained': { ...backend, ipv4: '172.17.0.3', weight: 0 },
    'services/plain/backends/limited': { ...backend, ipv4: '172.17.0.4', upperThreshold: 100, lowerThreshold: 50 },
    'services/plain/backends/same1': { ipv4: '172.17.0.5', tcp: 80, weight: 1 },
    'services/plain/backends/same2': { ipv4: '172.17.0.5', tcp: 80, weight: 2 },
    'services/sh/frontend': { ...full, ipv4: '10.3.0.2', ipv6: '2001:db8:1::2', scheduler: 'sh' },
    'services/sh/backends/a': backend,
    'services/mh/frontend': { ...full, ipv4: '10.3.0.3', ipv6: '2001:db8:1::3', scheduler: 'mh' },
    'services/mh/backends/a': backend,
    'services/flags/frontend': { ipv4: '10.3.0.4', tcp: 80, scheduler: 'sh', schedulerFlags: ['sh-port'] },
    'services/sticky/frontend': {
      ...full,
      ipv4: '10.3.0.5',
      ipv6: '2001:db8:1::5',
      persistence: { timeout: 300, netmask: 24 },
    },
    'services/sticky/backends/a': backend,
    'services/mark/frontend': { ipv4: '10.3.0.6', ipv6: '2001:db8:1::6', fwmark: 6 },
    'services/mark/backends/a': backend,
    'services/datagrams/frontend': { ipv4: '10.3.0.7', udp: 53, onePacket: true, scheduler: 'rr' },
    'services/datagrams/backends/a': { ipv4: '172.17.0.2', udp: 53 },
    'services/tunnels/frontend': { ipv4: '10.3.0.8', ipv6: '2001:db8:1::8', tcp: 80 },
    'services/tunnels/backends/ipip': { ...backend, ipv4: '172.18.1.1', ipv6: '2001:db8:2::1' },
    'services/tunnels/backends/gue': { ...backend, ipv4: '172.18.2.1', ipv6: '2001:db8:3::1' },
    'services/tunnels/backends/gre': { ipv4: '172.18.3.1', tcp: 80 },
    'services/tunnels/backends/direct': { ipv4: '172.18.4.1', tcp: 80 },
    'routes/ipip': { Prefix: '172.18.1.0/24', IPVSMethod: 'tunnel' },
    'routes/ipip6': { Prefix: '2001:db8:2::/64', IPVSMethod: 'tunnel', Tunnel: { type: 'ipip' } },
    'routes/gue': { Prefix: '172.18.2.0/24', IPVSMethod: 'tunnel', Tunnel: { type: 'gue', port: 6080 } },
    'routes/gue6': {
      Prefix: '2001:db8:3::/64',
      IPVSMethod: 'tunnel',
      Tunnel: { type: 'gue', port: 6080, checksum: true },
    },
    'routes/gre': { Prefix: '172.18.3.0/24', IPVSMethod: 'tunnel', Tunnel: { type: 'gre', checksum: true } },
    'routes/direct': { Prefix: '172.18.4.0/24', IPVSMethod: 'droute', Gateway: '172.18.4.254' },
  });
  const first = await site.once();
  expect(operations(first).length).toBeGreaterThan(40);
  const before = await table();
  const second = await site.once('--print');
  expect(operations(second)).toEqual([]);
  expect(second.output).toContain('LocalAddress');
  expect(await table()).toEqual(before);
});

describe('what somebody else changed of ours', () => {
  const WHERE = { service: 'web', virtualService: WEB_KEY };
  let site: Site;
  let agent: ReturnType<Site['start']>;

  beforeAll(async () => {
    site = await Site.make(web('ab'));
    await addForeign();
    agent = site.start(...QUICK);
    await untilReady(agent);
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  test.each([
    {
      what: 'a removed destination',
      words: ['-d', ...destination('a')],
      message: 'drift: a destination of ours is gone',
      found: { destination: `${address('a')}:8080`, backends: ['a'], known: 'method=masq weight=10' },
    },
    {
      what: 'a changed destination',
      words: ['-e', ...destination('b'), '-m', '-w', '3', '-x', '9'],
      message: 'drift: a destination of ours is not set as we left it',
      found: {
        destination: `${address('b')}:8080`,
        backends: ['b'],
        known: 'method=masq weight=10',
        found: 'method=masq weight=3 upperThreshold=9',
      },
    },
    {
      what: 'a destination that was added',
      words: ['-a', ...destination('z'), '-m', '-w', '7'],
      message: 'drift: a virtual service of ours has a destination that we did not make',
      found: { destination: `${address('z')}:8080`, found: 'method=masq weight=7' },
    },
    {
      what: 'another scheduler',
      words: ['-E', '-t', '10.0.0.1:80', '-s', 'sh', '-b', 'sh-port', '-p', '60'],
      message: 'drift: a virtual service of ours is not set as we left it',
      found: { found: 'scheduler=sh schedulerFlags=sh-port persistence=60s/32', known: 'scheduler=rr' },
    },
    {
      what: 'a removed virtual service',
      words: ['-D', '-t', '10.0.0.1:80'],
      message: 'drift: a virtual service of ours is gone',
      found: { known: 'scheduler=rr' },
    },
  ])('$what is mended, and logged with what was found', async ({ words, message, found }) => {
    const from = agent.log.length;
    await ipvsadm(...words);
    expect(await agent.waitFor(message, { from })).toMatchObject({ level: 'warn', ...WHERE, ...found });
    await untilTable([...lines('ab'), ...FOREIGN]);
    expect(agent.log.slice(from).filter((line) => line.message.startsWith('drift'))).toHaveLength(1);
  });

  test('and of what is not ours: no business of ours', async () => {
    const from = agent.log.length;
    await ipvsadm('-e', '-t', OTHERS, '-r', '172.17.9.9:443', '-m', '-w', '2');
    await ipvsadm('-E', '-t', OTHERS, '-s', 'rr');
    // A look through the table that began after that finds this, and it alone.
    await ipvsadm('-d', ...destination('a'));
    const foreign = [`-A -t ${OTHERS} -s rr`, `-a -t ${OTHERS} -r 172.17.9.9:443 -m -w 2`];
    await untilTable([...lines('ab'), ...foreign]);
    expect(agent.log.slice(from).map(({ message }) => message)).toEqual([
      'drift: a destination of ours is gone',
      'new destination',
    ]);
  });

  test('is mended also where the tree has just changed', async () => {
    const from = agent.log.length;
    await ipvsadm('-D', '-t', '10.0.0.1:80');
    await site.put({ 'services/web/backends/a': { ipv4: address('a'), tcp: 8080, weight: 1 } });
    await until('it is as the tree says', async () => (await table()).some((line) => line.endsWith(':8080 -m -w 1')));
    await site.put({ 'services/web/backends/a': { ipv4: address('a'), tcp: 8080 } });
    const foreign = [`-A -t ${OTHERS} -s rr`, `-a -t ${OTHERS} -r 172.17.9.9:443 -m -w 2`];
    await untilTable([...lines('ab'), ...foreign]);
    expect(agent.log.slice(from).filter(({ level }) => level === 'error')).toEqual([]);
  });
});

test('a virtual service that the tree names is taken at its word: WEB is ours though somebody else made it', async () => {
  await using site = await Site.make({ 'services/web/frontend': WEB_FRONTEND });
  await ipvsadm('-A', '-t', '10.0.0.1:80', '-s', 'lc');
  await site.once();
  expect(await table()).toEqual(['-A -t 10.0.0.1:80 -s rr']);
});
