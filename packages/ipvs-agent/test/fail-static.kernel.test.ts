/** Whatever happens to what it follows, the agent keeps the kernel forwarding: on a real etcd and a real kernel. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';
import {
  EtcdTree,
  filled,
  ipvsadm,
  operations,
  untilEqual,
  Site,
  table,
  timeOf,
  untilReady,
  untilTable,
} from './site.js';
import { EchoServer, haveAddress, whoAnswers } from './talk.js';
import { address, backends, did, lines, web, WEB_FRONTEND, WEB_KEY } from './web.js';

const QUICK = ['--print', '--resync', '200ms', '--drain-timeout', '0', '--brake-hold', '2s'];
const WITHOUT_BRAKE = [...QUICK, '--brake', 'off'];
const UNAVAILABLE = 'source unavailable: what was last read stays in force';
const BRAKE = 'the brake holds: too many destinations would be gone within its time';

/** A backend on this machine, of `web`. */
function local(name: string, { port }: EchoServer): Record<string, unknown> {
  return { [`services/web/backends/${name}`]: { ipv4: '127.0.0.1', tcp: port } };
}

let etcd: EtcdProcess;

beforeAll(async () => {
  requireMachine();
  etcd = await startEtcd();
});
beforeEach(async () => {
  if (etcd.pid === undefined) await etcd.start(); // The test before left it down: it failed.
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

describe('etcd', () => {
  test('that is down at the start: nothing is written, also not what another source says, until it is read', async () => {
    await using site = await Site.make({ 'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432, scheduler: 'rr' } });
    const tree = new EtcdTree(etcd, '/down-at-start');
    await tree.put(web('ab'));
    await site.once(...tree.source());
    await etcd.stop();
    await using agent = site.start('--config-source', site.source, ...tree.source(), ...QUICK);
    await agent.waitFor('source read');
    await agent.waitFor('source unavailable: the kernel is left as it is until it is read');
    expect(await table()).toEqual(lines('ab').toSorted());

    await etcd.start();
    await untilTable([...lines('ab'), '-A -t 10.0.0.2:5432 -s rr']);
    await untilEqual(() => operations(agent), ['new service tcp 10.0.0.2:5432']);
    const messages = agent.log.map(({ message }) => message);
    expect(messages.indexOf('new service')).toBeGreaterThan(messages.lastIndexOf('source read'));
  });

  test('on whose own address a frontend is: that is not published, and what is changed later arrives', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/own-address');
    const [ipv4, port] = etcd.host.split(':');
    await tree.put({ ...web('a'), 'services/self/frontend': { ipv4, tcp: Number(port) } });
    await using agent = site.start(...tree.source(), ...QUICK);
    const why = `is where this balancer reaches etcd (${etcd.host}): it would cut itself off; not published`;
    await agent.waitFor(`problem: services/self/frontend: tcp ${etcd.host} ${why}`);
    await untilReady(agent);
    expect(await table()).toEqual(lines('a').toSorted());
    await etcd.restart();
    await tree.put(web('ab'));
    await untilTable(lines('ab'));
  });

  test('that goes down later: connections are forwarded, others’ changes mended, and what changed meanwhile arrives', async () => {
    await using site = await Site.make();
    await using _ = await haveAddress('10.0.0.1');
    await using a = await EchoServer.start('a');
    await using b = await EchoServer.start('b');
    const tree = new EtcdTree(etcd, '/down-later');
    await tree.put({ 'services/web/frontend': WEB_FRONTEND, ...local('a', a) });
    await using agent = site.start(...tree.source(), ...QUICK);
    await untilReady(agent);

    await etcd.kill();
    await agent.waitFor(UNAVAILABLE);
    expect(await whoAnswers('10.0.0.1', 80, 2)).toEqual(['a', 'a']);
    await ipvsadm('-d', '-t', '10.0.0.1:80', '-r', `127.0.0.1:${a.port}`);
    await until('the destination is back', async () => (await table()).length === 2);
    expect(await whoAnswers('10.0.0.1', 80, 2)).toEqual(['a', 'a']);

    await etcd.start();
    await tree.put(local('b', b));
    await until('the new backend', async () => (await table()).length === 3);
    expect((await whoAnswers('10.0.0.1', 80, 2)).toSorted()).toEqual(['a', 'b']);
  });

  test('that is restored from an older copy: the kernel follows it back, by the brake, and nothing else goes', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/restored');
    await tree.put({ ...web('ab'), 'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432, scheduler: 'rr' } });
    const restore = await etcd.backup();
    await tree.put({ ...backends('cdefgh'), 'services/web/backends/a': { ipv4: address('a'), tcp: 8080, weight: 99 } });
    await tree.remove('services/db/frontend');
    await using agent = site.start(...tree.source(), ...QUICK);
    await untilReady(agent);
    const before = await filled(agent, lines('abcdefgh'));
    const revision = await etcd.revision();

    await restore();
    expect(await etcd.revision()).toBeLessThan(revision);
    const db = '-A -t 10.0.0.2:5432 -s rr';
    await agent.waitFor(BRAKE);
    await untilTable([...lines('abcdefgh'), db]);
    await untilTable([...lines('ab'), db]);
    await untilEqual(
      () => operations(agent).slice(before),
      ['new service tcp 10.0.0.2:5432', ...did('changed', 'a'), ...did('removed', 'cdefgh')],
    );
  });

  test('that is compacted past what the agent has seen, while it is cut off: it reads anew and does what is left', async () => {
    await using site = await Site.make();
    await using proxy = await startProxy(etcd.port);
    const tree = new EtcdTree(etcd, '/compacted');
    await tree.put(web('abc'));
    await using agent = site.start(...tree.source(proxy.host), ...QUICK);
    await untilReady(agent);
    const before = await filled(agent, lines('abc'));

    proxy.refuse();
    await agent.waitFor(UNAVAILABLE);
    await tree.remove('services/web/backends/a');
    await tree.put(backends('d'));
    await etcd.compact();
    expect(await table()).toEqual(lines('abc').toSorted());
    proxy.pass();
    await untilTable(lines('bcd'));
    await untilEqual(() => operations(agent).slice(before), [...did('new', 'd'), ...did('removed', 'a')]);
  });

  test('whose prefix is deleted in one stroke: the brake holds and says so, then the kernel obeys', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/deleted');
    await tree.put(web('abcde'));
    await using agent = site.start(...tree.source(), ...QUICK);
    await untilReady(agent);

    await tree.clear();
    const braked = await agent.waitFor(BRAKE);
    expect(braked).toMatchObject({ level: 'warn', destinations: 5, ops: [`remove service: ${WEB_KEY}  # web`] });
    expect(braked).toMatchObject({ letGoInSeconds: 2 });
    expect(await table()).toEqual(lines('abcde').toSorted());
    const gone = await agent.waitFor('removed service');
    expect(timeOf(gone) - timeOf(braked)).toBeGreaterThan(1900);
    await agent.waitFor('no longer held back: brake');
    await untilTable([]);
  });

  test('whose prefix is back before the brake lets go: nothing was removed', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/deleted-by-mistake');
    await tree.put(web('abcde'));
    await using agent = site.start(...tree.source(), ...QUICK, '--brake-hold', '1h');
    await untilReady(agent);
    await tree.clear();
    await agent.waitFor(BRAKE);
    await tree.put(web('abcde'));
    await agent.waitFor('no longer held back: brake');
    expect(operations(agent).filter((text) => text.startsWith('removed'))).toEqual([]);
    expect(await table()).toEqual(lines('abcde').toSorted());
  });

  test('that restarts without its data: the kernel stays as it is until services are published again', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/emptied');
    await tree.put(web('abcde'));
    await using agent = site.start(...tree.source(), ...WITHOUT_BRAKE);
    await untilReady(agent);
    const before = await filled(agent, lines('abcde'));

    await etcd.restartEmpty();
    const said =
      'the tree turned up empty of what it published; what was read before stays in force until it publishes again';
    await agent.waitFor(`problem: ${said}`);
    // Docker hosts put their backends back long before somebody restores the frontends.
    await tree.put(backends('a'));
    await tree.put(backends('b'));
    expect(await table()).toEqual(lines('abcde').toSorted());
    await tree.put({ 'services/web/frontend': WEB_FRONTEND });
    await agent.waitFor(`problem solved: ${said}`);
    await untilTable(lines('ab'));
    await untilEqual(() => operations(agent).slice(before), did('removed', 'cde'));
  });

  test('under a prefix with a typo: a restarted agent removes nothing, with or without the brake, and says why', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/clusterf');
    await tree.put(web('abcde'));
    await site.once(...tree.source());
    const typo = new EtcdTree(etcd, '/clustref');
    await using agent = site.start(...typo.source(), ...WITHOUT_BRAKE);
    await untilReady(agent);
    const held = await agent.waitFor('removals held back until the tree publishes something');
    expect(held).toMatchObject({ level: 'warn', destinations: 5, ops: [`remove service: ${WEB_KEY}`] });
    expect(agent.logged('source read')).toMatchObject([{ source: `etcd+http://${etcd.host}/clustref`, entries: 0 }]);
    expect(await table()).toEqual(lines('abcde').toSorted());
    expect(operations(agent)).toEqual([]);
  });
});

const OCTAL = '(leading zeros are ambiguous: some read them as octal)';
const MEGABYTE = 'x'.repeat(1_000_000);

/** Values of a backend that cannot be used, and what a person is told. */
const BAD: readonly (readonly [value: string, message: string])[] = [
  [MEGABYTE, `the value is "${MEGABYTE.slice(0, 60)}…"; expected a JSON object`],
  ['[{"tcp":80}]', 'the value is "[{\\"tcp\\":80}]"; expected a JSON object'],
  ['"tcp"', 'the value is "\\"tcp\\""; expected a JSON object'],
  ['80', 'the value is "80"; expected a JSON object'],
  ['{"tcp":80', 'the value is "{\\"tcp\\":80"; expected a JSON object'],
  ['{"ipv4":"10.0.0.01","tcp":80}', `ipv4 "10.0.0.01" is not an IPv4 address such as 10.0.0.1 ${OCTAL}`],
  ['{"tcp":65536}', 'tcp is 65536; expected a port, a whole number from 1 to 65535'],
  ['{"tcp":"80"}', 'tcp is "80"; expected a port, a whole number from 1 to 65535'],
  ['{"tcp":80.5}', 'tcp is 80.5; expected a port, a whole number from 1 to 65535'],
];
/** Taken as none, as the Go program took it; a problem still. */
const PORT_0 = '{"ipv4":"172.17.0.1","tcp":0}';
const ABOUT_PORT_0 = 'tcp is 0; expected a port, a whole number from 1 to 65535: taken as none';

const SERVICES = 1000;

/** Service `s7` is published on 10.1.0.0:8 with the backend `a`. */
function thousand(): Record<string, unknown> {
  const entries: Record<string, unknown> = {};
  for (let i = 0; i < SERVICES; i += 1) {
    entries[`services/s${i}/frontend`] = { ipv4: '10.1.0.0', tcp: i + 1, scheduler: 'rr' };
    entries[`services/s${i}/backends/a`] = { ipv4: '172.17.0.1', tcp: 8080 };
  }
  return entries;
}

function thousandLines(): string[] {
  return Array.from({ length: SERVICES }, (_, i) => [
    `-A -t 10.1.0.0:${i + 1} -s rr`,
    `-a -t 10.1.0.0:${i + 1} -r 172.17.0.1:8080 -m -w 10`,
  ]).flat();
}

function published(ipv4: string): object {
  return { ipv4, tcp: 80, scheduler: 'rr' };
}

/** As it is logged. */
function problem(key: string, message: string): string {
  return `problem: ${key}: ${message}`;
}

describe('one bad entry among 1,000', () => {
  test('from the start: all others are in the kernel, and the problem names key, value and what was expected', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/bad-from-the-start');
    const names = { slash: 'with/slash', space: 'with a space', long: 'n'.repeat(300), emoji: '🐳' };
    await tree.put(thousand());
    await tree.put({
      'services/s999/frontend': '{"ipv4":"10.1.0.0","tcp":',
      ...Object.fromEntries(BAD.map(([value], i) => [`services/s${i}/backends/bad`, value])),
      'services/s20/backends/none': PORT_0,
      [`services/${names.slash}/frontend`]: published('10.2.0.1'),
      [`services/${names.space}/frontend`]: published('10.2.0.2'),
      [`services/${names.long}/frontend`]: published('10.2.0.3'),
      [`services/${names.emoji}/frontend`]: published('10.2.0.4'),
    });
    await using agent = site.start(...tree.source(), ...QUICK);
    await untilReady(agent);
    const named = ['-A -t 10.2.0.2:80 -s rr', '-A -t 10.2.0.4:80 -s rr'];
    const s999 = /10\.1\.0\.0:1000 /;
    await untilTable([...thousandLines().filter((line) => !s999.test(line)), ...named]);

    const told = agent.log.filter(({ message }) => message.startsWith('problem: '));
    const notRead =
      'not a key that is read; expected services/<service>/frontend or services/<service>/backends/<backend>';
    const tooLong = `the name "${names.long.slice(0, 60)}…" is 300 bytes long; at most 255 were expected`;
    expect(told.map(({ message }) => message).toSorted()).toEqual(
      [
        problem(
          'services/s999/frontend',
          'the value is "{\\"ipv4\\":\\"10.1.0.0\\",\\"tcp\\":"; expected a JSON object',
        ),
        ...BAD.map(([, message], i) => problem(`services/s${i}/backends/bad`, message)),
        problem('services/s20/backends/none', ABOUT_PORT_0),
        problem(`services/${names.slash}/frontend`, notRead),
        problem(`services/${names.long}/frontend`, tooLong),
      ].toSorted(),
    );
    expect(new Set(told.map((line) => line['source']))).toEqual(
      new Set([`etcd+http://${etcd.host}/bad-from-the-start`]),
    );
    expect(agent.text().length).toBeLessThan(1_000_000);
  });

  test('that was good before: its last good value stays in force, and what changes elsewhere goes on', async () => {
    await using site = await Site.make();
    const tree = new EtcdTree(etcd, '/gone-bad');
    await tree.put(thousand());
    await using agent = site.start(...tree.source(), ...QUICK);
    await untilReady(agent);
    await untilTable(thousandLines());
    const before = await filled(agent, thousandLines());

    for (const [value, message] of BAD) {
      await tree.put({ 'services/s1/backends/a': value });
      await agent.waitFor(`problem: services/s1/backends/a: ${message}; the last good value stays in force`);
    }
    await tree.put({ 'services/s2/backends/a': { ipv4: '172.17.0.1', tcp: 8080, weight: 5 } });
    await agent.waitFor('changed destination');
    await untilEqual(() => operations(agent).slice(before), ['changed destination tcp 10.1.0.0:3 -> 172.17.0.1:8080']);
    await untilTable(thousandLines().map((line) => (/^-a.*:3 /.test(line) ? line.replace('-w 10', '-w 5') : line)));

    await tree.put({ 'services/s1/backends/a': { ipv4: '172.17.0.9', tcp: 8080 } });
    await until('what is mended is in force', async () => (await table()).some((line) => line.includes('172.17.0.9')));
    expect(await table()).toHaveLength(thousandLines().length);
  });
});
