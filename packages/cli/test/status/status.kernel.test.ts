// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { AgentProcess } from '../../../../test/fixtures/agent.js';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { until } from '../../../../test/fixtures/until.js';
import { EtcdTree, Site, table } from '../../../ipvs-agent/test/site.js';
import { clusterf } from '../clusterf.js';

let etcd: EtcdProcess;
let site: Site;
beforeAll(async () => {
  etcd = await startEtcd();
  site = await Site.make();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

let tree: EtcdTree;
let agent: AgentProcess;
beforeEach(async () => {
  tree = new EtcdTree(etcd, '/clusterf');
  await tree.put({
    'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
    'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80 },
  });
  agent = site.start(...tree.source(), '--balancer-name', 'lb1');
  await until(
    'its status is there',
    async () => Object.keys(await etcd.read('/clusterf/balancers/')).length > 0,
    60_000,
  ).catch((error: unknown) => {
    throw new Error(agent.text(), { cause: error });
  });
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await tree.clear();
});

async function status() {
  const { code, stdout } = await clusterf(['status', ...tree.source(), '-o', 'json']);
  return { code, ...JSON.parse(stdout) };
}

test('a real balancer has read the tree as it is, after each change too, and is what it was when the tree is', async () => {
  const first = await status();
  expect(first).toMatchObject({
    code: 0,
    balancers: [{ name: 'lb1', life: 'up', ready: true, current: true, virtualServices: 1, destinations: 1 }],
  });
  await tree.put({
    'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 80 },
    'services/web/backends/a': ' {"TCP":80, "ipv4":"172.17.0.2"}',
  });
  const after = await status();
  expect(after).toMatchObject({ code: 0, balancers: [{ current: true, destinations: 2 }] });
  expect(after.balancers[0].tree).not.toBe(first.balancers[0].tree);
  expect(after.balancers[0].table).not.toBe(first.balancers[0].table);
  await tree.remove('services/web/backends/b');
  await tree.put({ 'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80 } });
  const back = await status();
  expect([back.balancers[0].tree, back.balancers[0].table]).toEqual([
    first.balancers[0].tree,
    first.balancers[0].table,
  ]);
});

test('what the brake holds is told', async () => {
  const keys = Array.from({ length: 6 }, (_, i) => `services/web/backends/n${i}`);
  await tree.put(Object.fromEntries(keys.map((key, i) => [key, { ipv4: `172.17.1.${i}`, tcp: 80 }])));
  await until('they are there', async () => (await table()).length === 8);
  for (const key of keys) await tree.remove(key);
  await until('it is told', async () =>
    (await status()).findings.some(({ message }: { message: string }) => message.startsWith('its brake holds')),
  );
});
