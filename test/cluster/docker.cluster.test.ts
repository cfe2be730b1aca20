/** The whole path with nothing left out: containers of a real dockerd, through both tiers, to a client. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addressIn, virtualAddress } from './addresses.js';
import { Cluster } from './cluster.js';
import { CLIENTS, edge, host, NETWORKS, twoTiers } from './description.js';
import { answers, answersFrom } from './traffic.js';

const EDGES = ['edge1', 'edge2'];
/** In turns: the kernel's default prefers whom nothing was sent to yet, for minutes where that was datagrams. */
const WEB = { ...virtualAddress(1), tcp: 80, udp: 80, scheduler: 'rr' };
const CLIENT = addressIn(NETWORKS.outside.number, CLIENTS.client.number);

/** On the balancers' Ethernet, without Docker. */
const near = host(21, 'fabric', { route: { method: 'droute', viaHost: true }, services: { 'near-1': 'web' } });
/** A routed hop away: one dockerd, since a second one would cost a minute in the lab's kernel. */
const docker = host(22, 'far', {
  run: 'dockerd',
  route: { method: 'tunnel', viaHost: true },
  services: { 'docker-1': 'web' },
});

let cluster: Cluster;

beforeAll(async () => {
  const empty = twoTiers({ edges: 0, hosts: 0, containers: 0, method: 'droute' });
  cluster = await Cluster.start({ ...empty, machines: { edge1: edge(11), edge2: edge(12), near, docker } });
  await cluster.publish('web', WEB, EDGES);
  for (const name of EDGES) await cluster.balanced(name, WEB, 2);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

test('a labelled container on a Docker host answers through both tiers, beside others', async () => {
  await cluster.balanced('docker', WEB, 1);
  expect(await answers(cluster.client(), WEB)).toEqual(answersFrom(['docker-1', 'near-1'], CLIENT));
});

test('another container on it has its share', async () => {
  await cluster.machine('docker').containers.start('docker-2', 'web');
  await cluster.balanced('docker', WEB, 2);
  expect(await answers(cluster.client(), WEB)).toEqual(answersFrom(['docker-1', 'docker-2', 'near-1'], CLIENT));
});

test('a host that has no container any more gets nothing', async () => {
  const { containers } = cluster.machine('docker');
  await Promise.all(['docker-1', 'docker-2'].map(async (name) => await containers.stop(name)));
  for (const name of EDGES) await cluster.balanced(name, WEB, 1);
  expect(await answers(cluster.client(), WEB)).toEqual(answersFrom(['near-1'], CLIENT));
});
