import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { openTree } from '../src/index.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

async function grant(seconds: number): Promise<string> {
  const id = String(Math.floor(Math.random() * 1e12) + 1);
  await etcd.call('lease/grant', { ID: id, TTL: String(seconds) });
  return id;
}

test('of the leases of entries it is told what they have left, and those that are gone are not there', async () => {
  const [long, short] = [await grant(600), await grant(2)];
  await etcd.put('/t/hosts/h1/status', '{}', long);
  await etcd.put('/t/hosts/h2/status', '{}', short);
  await etcd.put('/t/routes/lan', '{}');
  using tree = openTree(`etcd://${etcd.host}/t`);
  const leases = [...(await tree.read()).values()].flatMap(({ lease }) => lease ?? []);
  const times = await tree.leaseTimes([...leases, long]);
  expect([...times.keys()].toSorted()).toEqual([long, short].toSorted());
  expect(times.get(long)).toEqual({ granted: 600, remaining: expect.any(Number) });
  expect(times.get(long)?.remaining).toBeGreaterThan(590);
  await until('the short one is gone', async () => (await tree.leaseTimes(leases)).size === 1);
});

test('nothing is on a lease in a directory', async () => {
  using tree = openTree('file:///nowhere');
  expect(await tree.leaseTimes(['1'])).toEqual(new Map());
});
