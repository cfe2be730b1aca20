/** What an operator drains keeps its established connections and gets no new ones: command, etcd, agent and kernel. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentProcess } from '../../../../test/fixtures/agent.js';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { until } from '../../../../test/fixtures/until.js';
import { requireMachine } from '../../../../test/lab/index.js';
import { EtcdTree, operations, run, Site, table, untilReady, untilTable } from '../../../ipvs-agent/test/site.js';
import { Conversation, EchoServer, haveAddress, whoAnswers } from '../../../ipvs-agent/test/talk.js';
import { WEB_FRONTEND, WEB_KEY } from '../../../ipvs-agent/test/web.js';
import { clusterf } from '../clusterf.js';

const VIP = WEB_FRONTEND.ipv4;
const DEVICE = 'vip-drain';
/** On no other device of this machine. */
const ANNOUNCED = '10.0.0.9';
const HTTP = '127.0.0.1:19782';

const servers = new Map<string, EchoServer>();
let address: AsyncDisposable;
let etcd: EtcdProcess;
let tree: EtcdTree;
let site: Site;
let agent: AgentProcess;

function at(name: string): string {
  return `127.0.0.1:${servers.get(name)?.port}`;
}

/** What the kernel has for `web`, with these weights. */
function lines(weights: Readonly<Record<string, number>>): string[] {
  const destinations = Object.entries(weights).map(
    ([name, weight]) => `-a -t ${VIP}:80 -r ${at(name)} -m -w ${weight}`,
  );
  return [`-A -t ${VIP}:80 -s rr`, ...destinations];
}

/** Runs the command; what it is to say. */
async function says(words: string, ...args: string[]): Promise<void> {
  const ended = await clusterf([...args, ...tree.source()]);
  expect(ended).toEqual({ code: 0, stdout: expect.stringContaining(words), stderr: expect.any(String) });
}

async function metrics(): Promise<string> {
  return await (await fetch(`http://${HTTP}/metrics`)).text();
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

/** The virtual addresses on the device. */
async function bound(): Promise<string> {
  const { stdout } = await run('ip', ['-o', '-4', 'address', 'show', 'dev', DEVICE]).catch(() => ({ stdout: '' }));
  return [...stdout.matchAll(/inet (\S+)/g)].map(([, each]) => each).join();
}

beforeAll(async () => {
  requireMachine();
  address = await haveAddress(VIP);
  etcd = await startEtcd();
});
beforeEach(async () => {
  for (const name of ['a', 'b']) servers.set(name, await EchoServer.start(name));
  site = await Site.make();
  tree = new EtcdTree(etcd, '/clusterf');
  await tree.clear();
  await tree.put({
    'services/web/frontend': WEB_FRONTEND,
    'services/web/backends/a': { ipv4: '127.0.0.1', tcp: servers.get('a')?.port, host: 'docker1', container: 'web1' },
    'services/web/backends/b': { ipv4: '127.0.0.1', tcp: servers.get('b')?.port, host: 'docker2' },
  });
  const flags = ['--balancer-name', 'lb1', '--http-listen', HTTP, '--print', '--ttl', '3s'];
  agent = site.start(...tree.source(), ...flags, '--vip-interface', DEVICE);
  await untilReady(agent);
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await run('ip', ['link', 'delete', DEVICE]).catch(() => undefined);
  for (const server of servers.values()) await server[Symbol.asyncDispose]();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await address[Symbol.asyncDispose]();
});

describe('a drained host', () => {
  test('takes no new connections, keeps those it has, can be waited for, and comes back', async () => {
    await using conversation = await talkTo('a');
    await says('host docker1 is drained', 'drain', 'host', 'docker1', '--reason', 'kernel update');
    await untilTable(lines({ a: 0, b: 10 }));
    await conversation.goesOn();
    expect(await whoAnswers(VIP, 80, 4)).toEqual(['b', 'b', 'b', 'b']);
    expect(await metrics()).toContain('clusterf_ipvs_drained{kind="host",name="docker1"} 1');
    expect(agent.logged('drained: host docker1')).toMatchObject([{ level: 'info', reason: 'kernel update' }]);

    const rows = async () => JSON.parse((await clusterf(['drain', '-o', 'json', ...tree.source()])).stdout);
    await until('its connection to be counted', async () => (await rows())[0]?.activeConnections === 1, 30_000);
    const short = await clusterf(['drain', 'host', 'docker1', '--wait', '0', ...tree.source()]);
    expect(short).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('lb1: 1 active connection. host docker1 stays drained'),
    });
    await conversation.goesOn();
    await conversation.close();
    await says('no active connection is left', 'drain', 'host', 'docker1', '--wait', '30s');

    await says('host docker1 is no longer drained', 'undrain', 'docker1');
    await untilTable(lines({ a: 10, b: 10 }));
    expect(new Set(await whoAnswers(VIP, 80, 4))).toEqual(new Set(['a', 'b']));
    expect(operations(agent).filter((text) => text.startsWith('removed'))).toEqual([]);
  });

  test('has weight 0 for what is registered on it later, and after a restart of the agent', async () => {
    await says('drained', 'drain', 'host', 'docker1');
    await untilTable(lines({ a: 0, b: 10 }));
    await agent.stop('SIGKILL');
    agent = site.start(...tree.source(), '--balancer-name', 'lb1', '--http-listen', HTTP, '--print', '--ttl', '3s');
    await untilReady(agent);
    expect(operations(agent)).toEqual([]);
    servers.set('c', await EchoServer.start('c'));
    await tree.put({ 'services/web/backends/c': { ipv4: '127.0.0.1', tcp: servers.get('c')?.port, host: 'docker1' } });
    await untilTable(lines({ a: 0, b: 10, c: 0 }));
  });
});

test('a drained backend takes no new connections and keeps those it has', async () => {
  await using conversation = await talkTo('a');
  await says('backend web/a is drained', 'drain', 'web/web1');
  await untilTable(lines({ a: 0, b: 10 }));
  await conversation.goesOn();
  expect(await whoAnswers(VIP, 80, 4)).toEqual(['b', 'b', 'b', 'b']);
  await says('no longer drained', 'undrain', 'web/a');
  await untilTable(lines({ a: 10, b: 10 }));
  await conversation.goesOn();
  expect(operations(agent).slice(-2)).toEqual([
    `changed destination ${WEB_KEY} -> ${at('a')}`,
    `changed destination ${WEB_KEY} -> ${at('a')}`,
  ]);
});

test('a drained balancer takes its virtual addresses away, keeps its table, and takes them back', async () => {
  await tree.put({
    'services/db/frontend': { ipv4: ANNOUNCED, tcp: 5432 },
    'services/db/backends/x': { ipv4: '127.0.0.1', tcp: 5432 },
    'balancers/lb2/status': { vipInterface: 'vip', onlyHost: null },
  });
  await until('it to be bound', async () => (await bound()) === `${ANNOUNCED}/32`);
  const before = await table();
  await says('balancer lb1 is drained', 'drain', 'balancer', 'lb1');
  await until('no address', async () => (await bound()) === '');
  await says('no virtual address is left', 'drain', 'balancer', 'lb1', '--wait', '30s').catch(
    async (error: unknown) => {
      throw new Error(agent.text(), { cause: error });
    },
  );
  expect(await table()).toEqual(before);
  await says('balancer lb1 is no longer drained', 'undrain', 'lb1');
  await until('it to be bound again', async () => (await bound()) === `${ANNOUNCED}/32`);
  expect(await table()).toEqual(before);
  expect(agent.logged('device was deleted by somebody')).toEqual([]);
});
