/** The router in front of the balancers: how it learns of them, and what becomes of flows when they come and go. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../fixtures/until.js';
import { virtualAddress } from './addresses.js';
import { Cluster } from './cluster.js';
import { edge, twoTiers } from './description.js';
import { PATIENCE } from './router.js';

const ALL = ['edge1', 'edge2', 'edge3'];
const WEB = { ...virtualAddress(1), tcp: 80 };

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start(twoTiers({ edges: 3, hosts: 0, containers: 0, method: 'droute', resilient: true }));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

async function nextHops(address: string): Promise<readonly number[]> {
  return (await cluster.router.buckets(address)).map(({ nextHop }) => nextHop);
}

test('a virtual address is announced once it has a destination, by every balancer, and not before', async () => {
  await cluster.etcd.put('services/web/frontend', WEB);
  for (const name of ALL) await cluster.balanced(name, WEB, 0);
  expect(await cluster.router.nextHops(WEB.ipv4)).toEqual([]);
  await cluster.etcd.put('services/web/backends/a', { ipv4: '10.2.0.99', ipv6: 'fd00:2::99', tcp: 80 });
  await cluster.reachable(WEB, ALL);
});

test('a balancer that falls silent is left out, and taken in again when it is heard', async () => {
  await cluster.place('edge1').cut('fabric');
  await cluster.reachable(WEB, ['edge2', 'edge3']);
  await cluster.place('edge1').heal('fabric');
  await cluster.reachable(WEB, ALL);
  expect(await cluster.router.nextHops(WEB.ipv4)).toHaveLength(ALL.length);
});

test('a balancer that dies takes only its own flows along', async () => {
  const addresses = [WEB.ipv4, WEB.ipv6];
  const before = await Promise.all(addresses.map(nextHops));
  await cluster.destroy('edge2');
  await cluster.reachable(WEB, ['edge1', 'edge3']);
  const after = await Promise.all(addresses.map(nextHops));
  for (const [index, was] of before.entries()) {
    const is = after[index] ?? [];
    const left = new Set(is);
    // Each next hop is there twice.
    expect([new Set(was).size, left.size]).toEqual([6, 4]);
    expect(is.filter((_, bucket) => left.has(was[bucket] ?? 0))).toEqual(was.filter((hop) => left.has(hop)));
  }
});

test('a balancer that comes gets flows, but none that is in use', async () => {
  const began = performance.now();
  const send = `for i in {1..64}; do echo >/dev/udp/${WEB.ipv4}/80; done`;
  await cluster.client().place.run('bash', '-c', send);
  const before = await cluster.router.buckets(WEB.ipv4);
  const inUse = before.map(({ idle }) => idle < (performance.now() - began) / 1000);
  expect(inUse.filter(Boolean).length).toBeGreaterThan(32);
  await cluster.add('edge4', edge(14));
  const known = new Set(before.map(({ nextHop }) => nextHop));
  const after = await until(
    'it has some',
    async () => {
      const hops = await nextHops(WEB.ipv4);
      return hops.some((hop) => !known.has(hop)) ? hops : undefined;
    },
    ...PATIENCE,
  );
  expect(after.filter((_, index) => inUse[index])).toEqual(
    before.filter((_, index) => inUse[index]).map(({ nextHop }) => nextHop),
  );
});
