/** What goes keeps its established connections: with real ones through the kernel. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';
import { PROFILES } from '../src/profiles.js';
import { operations, untilEqual, run, Site, table, timeOf, untilReady, untilTable } from './site.js';
import { askByDatagram, Conversation, EchoServer, haveAddress, startDatagramServer, whoAnswers } from './talk.js';
import { WEB_FRONTEND, WEB_KEY } from './web.js';

const VIP = WEB_FRONTEND.ipv4;
/** Of a client of UDP. */
const CLIENT_PORT = 40_053;
const QUICK = ['--print', '--resync', '200ms'];

const servers = new Map<string, EchoServer>();
let address: AsyncDisposable;
let site: Site;

/** Where the server of a letter is. */
function at(name: string): string {
  return `127.0.0.1:${servers.get(name)?.port}`;
}

function backend(name: string): Record<string, unknown> {
  return { [`services/web/backends/${name}`]: { ipv4: '127.0.0.1', tcp: servers.get(name)?.port } };
}

/** What the kernel has for `web`: `a` as it is, `a0` at weight 0. */
function lines(...names: readonly string[]): string[] {
  const destinations = names.map((name) => {
    const weight = name.endsWith('0') ? 0 : 10;
    return `-a -t ${VIP}:80 -r ${at(name.replace('0', ''))} -m -w ${weight}`;
  });
  return [`-A -t ${VIP}:80 -s rr`, ...destinations];
}

/** A connection to one server among those there are. */
async function talkTo(name: string): Promise<Conversation> {
  return await until(`a connection to ${name}`, async () => {
    const conversation = await Conversation.open(VIP, 80);
    if (conversation.from === name) return conversation;
    await conversation.close();
    return undefined;
  });
}

beforeAll(async () => {
  requireMachine();
  address = await haveAddress(VIP);
});
beforeEach(async () => {
  // Each time on other ports: a destination that is made again has the connections that it was deleted with
  // (ip_vs_trash_get_dest), also those of which nothing is heard any more.
  for (const name of ['a', 'b']) servers.set(name, await EchoServer.start(name));
  site = await Site.make({ 'services/web/frontend': WEB_FRONTEND, ...backend('a'), ...backend('b') });
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  for (const server of servers.values()) await server[Symbol.asyncDispose]();
});
afterAll(async () => {
  await address[Symbol.asyncDispose]();
});

describe('a removed backend with a connection', () => {
  test('has weight 0 while the connection goes on and new ones go elsewhere, and is deleted when it closes', async () => {
    await using agent = site.start(...QUICK, '--drain-timeout', '1h');
    await untilReady(agent);
    await using conversation = await talkTo('a');
    await site.remove('services/web/backends/a');
    await untilTable(lines('a0', 'b'));
    await conversation.goesOn();
    expect(await whoAnswers(VIP, 80, 4)).toEqual(['b', 'b', 'b', 'b']);
    await conversation.goesOn();
    expect(await table()).toEqual(lines('a0', 'b').toSorted());
    await conversation.close();
    await untilTable(lines('b'));
    await untilEqual(
      () => operations(agent).slice(-2),
      [`changed destination ${WEB_KEY} -> ${at('a')}`, `removed destination ${WEB_KEY} -> ${at('a')}`],
    );
  });

  test.each(['sh', 'mh'])('does so too with %s, which by itself would refuse what falls on it', async (scheduler) => {
    await site.put({ 'services/web/frontend': { ...WEB_FRONTEND, scheduler } });
    await using agent = site.start(...QUICK, '--drain-timeout', '1h');
    await untilReady(agent);
    await using conversation = await Conversation.open(VIP, 80);
    const [going, staying] = conversation.from === 'a' ? ['a', 'b'] : ['b', 'a'];
    await site.remove(`services/web/backends/${going}`);
    await until('it drains', async () => (await table()).some((line) => line.endsWith(`${at(going)} -m -w 0`)));
    await conversation.goesOn();
    // Of so many clients some fall on it: it keeps its place in the table that clients are looked up in.
    for (let i = 1; i <= 60; i += 1) {
      await using other = await Conversation.open(VIP, 80, `127.0.1.${i}`);
      expect(other.from).toBe(staying);
    }
    await conversation.close();
    await until('it is gone', async () => (await table()).length === 2);
  });

  test('is deleted at the deadline if that does not close, and not before', async () => {
    await using agent = site.start(...QUICK, '--drain-timeout', '3s');
    await untilReady(agent);
    await using conversation = await talkTo('a');
    await site.remove('services/web/backends/a');
    const began = await agent.waitFor('changed destination');
    await conversation.goesOn();
    const ended = await agent.waitFor('removed destination');
    expect(timeOf(ended) - timeOf(began)).toBeGreaterThan(2900);
    await untilTable(lines('b'));
  });

  test('comes back in mid-drain: it has its weight again, and was never deleted', async () => {
    await using agent = site.start(...QUICK, '--drain-timeout', '1h');
    await untilReady(agent);
    await using conversation = await talkTo('a');
    await site.remove('services/web/backends/a');
    await untilTable(lines('a0', 'b'));
    await site.put(backend('a'));
    await untilTable(lines('a', 'b'));
    await conversation.goesOn();
    await conversation.close();
    expect(new Set(await whoAnswers(VIP, 80, 4))).toEqual(new Set(['a', 'b']));
    expect(operations(agent).filter((text) => text.startsWith('removed'))).toEqual([]);
  });

  test('drains on over a SIGKILL and a restart, until the deadline it had', async () => {
    const flags = [...QUICK, '--drain-timeout', '8s'];
    await using first = site.start(...flags);
    await untilReady(first);
    await using conversation = await talkTo('a');
    await site.remove('services/web/backends/a');
    await untilTable(lines('a0', 'b'));
    const deadline = await until('the drain is written down', drainDeadline);
    await first.stop('SIGKILL');

    await using second = site.start(...flags);
    await untilReady(second);
    await conversation.goesOn();
    expect(await table()).toEqual(lines('a0', 'b').toSorted());
    const ended = await second.waitFor('removed destination');
    expect(Math.abs(timeOf(ended) - deadline)).toBeLessThan(1500);
    await untilEqual(() => operations(second), [`removed destination ${WEB_KEY} -> ${at('a')}`]);
  });

  test('and its whole service with it: all drain, and the service goes with the last of them', async () => {
    await using agent = site.start(...QUICK, '--drain-timeout', '1h', '--brake', 'off');
    await untilReady(agent);
    await using toA = await talkTo('a');
    await using toB = await talkTo('b');
    await site.remove('services/web');
    await untilTable(lines('a0', 'b0'));
    await toA.goesOn();
    await toA.close();
    await toB.goesOn();
    expect(operations(agent).filter((text) => text.startsWith('removed service'))).toEqual([]);
    await toB.close();
    await untilTable([]);
  });

  test('goes at once where there is nothing to wait for: --drain-timeout 0', async () => {
    await using agent = site.start(...QUICK, '--drain-timeout', '0');
    await untilReady(agent);
    await using _ = await talkTo('a');
    await site.remove('services/web/backends/a');
    await untilTable(lines('b'));
    expect(agent.logged('changed destination')).toEqual([]);
  });
});

test('a backend whose replacement the kernel refuses takes connections on: nothing breaks before it is made', async () => {
  await site.remove('services/web/backends/b');
  await using agent = site.start(...QUICK, '--drain-timeout', '3s');
  await untilReady(agent);
  await site.put({ 'services/web/backends/a': { ipv4: '127.255.255.255', tcp: 80 } }); // A broadcast address.
  const refusal = `newDestination 127.255.255.255:80 of ${WEB_KEY}: invalid argument (EINVAL)`;
  await agent.waitFor(`problem: services/web/backends/a: ${refusal}`);
  expect(await table()).toEqual(lines('a').toSorted());
  await using conversation = await talkTo('a');
  await site.put(backend('b'));
  await untilTable(lines('a0', 'b'));
  await conversation.goesOn();
  await untilTable(lines('b'));
  await untilEqual(
    () => operations(agent).filter((text) => text.includes(at('a'))),
    [
      `new destination ${WEB_KEY} -> ${at('a')}`,
      `changed destination ${WEB_KEY} -> ${at('a')}`,
      `removed destination ${WEB_KEY} -> ${at('a')}`,
    ],
  );
});

describe('a removed backend of UDP', () => {
  test('goes at once', async () => {
    await using dns = await publishDatagrams();
    await using agent = site.start(...QUICK, '--drain-timeout', '1h');
    await untilReady(agent);
    const going = await askByDatagram(VIP, 53);
    await dns.remove(going);
    expect(agent.logged('changed destination')).toEqual([]);
    expect(agent.logged('removed destination')).toHaveLength(1);
    const staying = going === 'a' ? 'b' : 'a';
    expect([await askByDatagram(VIP, 53), await askByDatagram(VIP, 53)]).toEqual([staying, staying]);
  });

  test('and what its clients send on goes elsewhere, also from the same port, with a profile', async () => {
    await using dns = await publishDatagrams();
    await using _ = await keepSysctls();
    await using agent = site.start(...QUICK, '--drain-timeout', '1h', '--profile', 'standalone');
    await untilReady(agent);
    const going = await askByDatagram(VIP, 53, CLIENT_PORT);
    expect(await askByDatagram(VIP, 53, CLIENT_PORT)).toBe(going); // To the kernel it is one connection.
    await dns.remove(going);
    expect(await askByDatagram(VIP, 53, CLIENT_PORT)).toBe(going === 'a' ? 'b' : 'a');
  });
});

test('a removed backend of a persistent service drains too, with a profile: its clients do not come back to it', async () => {
  await using _ = await keepSysctls();
  await site.put({ 'services/web/frontend': { ...WEB_FRONTEND, persistence: { timeout: 600 } } });
  await using agent = site.start(...QUICK, '--drain-timeout', '1h', '--profile', 'standalone');
  await untilReady(agent);
  await using conversation = await Conversation.open(VIP, 80);
  const [going, staying] = conversation.from === 'a' ? ['a', 'b'] : ['b', 'a'];
  expect(await whoAnswers(VIP, 80, 3)).toEqual([going, going, going]);
  await site.remove(`services/web/backends/${going}`);
  await until('it drains', async () => (await table()).some((line) => line.endsWith(`${at(going)} -m -w 0`)));
  expect(await whoAnswers(VIP, 80, 3)).toEqual([staying, staying, staying]);
  await conversation.goesOn();
  await conversation.close();
  await until('it is gone', async () => (await table()).length === 2);
});

/** The service `dns` on UDP port 53, with two servers, in the place of `web`. */
async function publishDatagrams(): Promise<{ readonly remove: (name: string) => Promise<void> } & AsyncDisposable> {
  const [a, b] = [await startDatagramServer('a'), await startDatagramServer('b')];
  await site.remove('services/web');
  await site.put({
    'services/dns/frontend': { ipv4: VIP, udp: 53, scheduler: 'rr' },
    'services/dns/backends/a': { ipv4: '127.0.0.1', udp: a.port },
    'services/dns/backends/b': { ipv4: '127.0.0.1', udp: b.port },
  });
  return {
    remove: async (name) => {
      await site.remove(`services/dns/backends/${name}`);
      await until('it is gone', async () => (await table()).length === 2);
    },
    [Symbol.asyncDispose]: async () => {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}

/** Puts back what a profile sets, for the tests that come after. */
async function keepSysctls(): Promise<AsyncDisposable> {
  const names = PROFILES.standalone.map(({ name }) => name);
  const { stdout } = await run('sysctl', names);
  return {
    [Symbol.asyncDispose]: async () => {
      await run('sysctl', [
        '-w',
        ...stdout
          .trim()
          .split('\n')
          .map((line) => line.replaceAll(' ', '')),
      ]);
    },
  };
}

/** Until when `a` drains by what is written down for the next run, in milliseconds; undefined while nothing is. */
async function drainDeadline(): Promise<number | undefined> {
  const [namespace = ''] = await readdir(site.stateDirectory);
  const text = await readFile(join(site.stateDirectory, namespace, 'draining.json'), 'utf8');
  const deadline = /"until":(\d+)/.exec(text)?.[1];
  return deadline === undefined ? undefined : Number(deadline);
}
