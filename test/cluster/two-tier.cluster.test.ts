/** Edge balancers spread over Docker hosts, hosts over their containers, answers go straight back to the client. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeRoute, routeKey, type RouteTunnel } from '@clusterf/model';
import { until } from '../fixtures/until.js';
import { addressIn, containerNetwork, subnetOf, virtualAddress } from './addresses.js';
import { Cluster } from './cluster.js';
import { CLIENTS, edge, host, NETWORKS, twoTiers } from './description.js';
import { PATIENCE } from './router.js';
import { answers, answersFrom, download, type Published, trafficDuring, upload } from './traffic.js';

const EDGES = ['edge1', 'edge2'];
const CLIENT = addressIn(NETWORKS.outside.number, CLIENTS.client.number);

/** A service for each host, so that a test knows the way that its packets take. */
const NEAR: Published = { ...virtualAddress(1), tcp: 80, udp: 80 };
const FAR: Published = { ...virtualAddress(2), tcp: 80, udp: 80 };

/** Shares the balancers' Ethernet. */
const near = host(21, 'fabric', {
  route: { method: 'droute', viaHost: true },
  services: { 'near-1': 'near', 'near-2': 'near' },
});
/** A routed hop away. */
const far = host(22, 'far', {
  route: { method: 'tunnel', viaHost: true },
  services: { 'far-1': 'far', 'far-2': 'far' },
});

let cluster: Cluster;

beforeAll(async () => {
  const empty = twoTiers({ edges: 0, hosts: 0, containers: 0, method: 'droute' });
  cluster = await Cluster.start({ ...empty, machines: { edge1: edge(11), edge2: edge(12), near, far } });
  for (const [name, service] of Object.entries({ near: NEAR, far: FAR })) {
    await cluster.publish(name, service, EDGES);
    await cluster.balanced(name, service, 2);
    for (const balancer of EDGES) await cluster.balanced(balancer, service, 1);
  }
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** How often over the bytes of a download leave the host, and how often the balancers. */
async function waysOf(service: Published, name: string, network: string): Promise<{ host: number; balancers: number }> {
  const bytes = 1_000_000;
  const devices = [
    [cluster.place(name), network] as const,
    ...EDGES.map((balancer) => [cluster.place(balancer), 'fabric'] as const),
  ];
  const [own, ...others] = await trafficDuring(devices, async () => await download(cluster.client(), service, bytes));
  const all = 2 * bytes;
  return { host: (own?.sent ?? 0) / all, balancers: others.reduce((sum, { sent }) => sum + sent, 0) / all };
}

/** Has the far host reached otherwise than it advertises, as an operator may. */
async function reachBy(tunnel: RouteTunnel): Promise<void> {
  const gateways = cluster.machine('far').address;
  const prefixes = subnetOf(containerNetwork(far));
  for (const family of ['ipv4', 'ipv6'] as const) {
    const [prefix, gateway] = [prefixes[family], gateways[family]];
    const route = encodeRoute({ prefix, gateway, ipvsMethod: 'tunnel', priority: 1, tunnel });
    await cluster.etcd.put(routeKey(`operator-${family}`), route);
  }
  // ipvsadm does not mention the default.
  const flags = { ipip: ' -i -w', gue: `--tun-type gue --tun-port ${tunnel.port}`, gre: '--tun-type gre' };
  for (const name of EDGES)
    await until(
      `${name} reaches it so`,
      async () => {
        const table = await cluster.machine(name).table();
        const destinations = table.filter((line) => line.includes(gateways.ipv4) || line.includes(gateways.ipv6));
        return destinations.length === 4 && destinations.every((line) => line.includes(flags[tunnel.type]));
      },
      ...PATIENCE,
    );
}

test('of many connections each balancer takes some', async () => {
  await cluster.client().ask('tcp', { address: NEAR.ipv4, port: 80 }, 32);
  for (const name of EDGES) expect(await cluster.place(name).run('ipvsadm', '-Lnc')).toContain(`${NEAR.ipv4}:80`);
});

describe('a host on the balancers’ Ethernet, by direct routing', () => {
  test('its containers answer, over IPv4 and IPv6, TCP and UDP', async () => {
    expect(await answers(cluster.client(), NEAR)).toEqual(answersFrom(['near-1', 'near-2'], CLIENT));
  });

  test('what the client downloads passes no balancer', async () => {
    const ways = await waysOf(NEAR, 'near', 'fabric');
    expect(ways.host).toBeGreaterThan(1);
    expect(ways.balancers).toBeLessThan(0.1);
  });

  test('what the client uploads arrives', async () => {
    const servers = await upload(cluster.client(), NEAR, 1_000_000);
    expect(['near-1', 'near-2']).toEqual(expect.arrayContaining([...servers]));
  });
});

describe('a host a routed hop away, by tunnel', () => {
  const plain = { ipv4: 'tunl0', ipv6: 'ip6tnl0' };
  describe.each<{ readonly tunnel: RouteTunnel; readonly devices: typeof plain }>([
    { tunnel: { type: 'ipip' }, devices: plain },
    { tunnel: { type: 'gue', port: 6080 }, devices: plain },
    { tunnel: { type: 'gre' }, devices: { ipv4: 'gre0', ipv6: 'ip6gre0' } },
  ])('of type $tunnel.type', ({ tunnel, devices }) => {
    beforeAll(async () => await reachBy(tunnel));

    test('its containers answer, over IPv4 and IPv6, TCP and UDP', async () => {
      expect(await answers(cluster.client(), FAR)).toEqual(answersFrom(['far-1', 'far-2'], CLIENT));
    });

    test('what the client downloads passes no balancer', async () => {
      const ways = await waysOf(FAR, 'far', 'far');
      expect(ways.host).toBeGreaterThan(1);
      expect(ways.balancers).toBeLessThan(0.1);
    });

    test('what the client uploads arrives by the tunnel, whose header leaves less room for it', async () => {
      const bytes = 1_000_000;
      const onHost = [devices.ipv4, devices.ipv6].map((device) => [cluster.place('far'), device] as const);
      let servers: readonly string[] = [];
      const [over4, over6] = await trafficDuring(onHost, async () => {
        servers = await upload(cluster.client(), FAR, bytes);
      });
      expect(['far-1', 'far-2']).toEqual(expect.arrayContaining([...servers]));
      expect(over4?.received).toBeGreaterThan(bytes);
      expect(over6?.received).toBeGreaterThan(bytes);
    });
  });
});
