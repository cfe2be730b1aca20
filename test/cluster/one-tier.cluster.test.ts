/** What needs no second tier: one balancer that masquerades, and one machine that is everything. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { addressIn, virtualAddress } from './addresses.js';
import { Cluster } from './cluster.js';
import { allInOne, CLIENTS, type ClusterDescription, NETWORKS, singleTier } from './description.js';
import { answers, answersFrom, download, type Published, upload } from './traffic.js';

const CLIENT = addressIn(NETWORKS.outside.number, CLIENTS.client.number);
const WEB: Published = { ...virtualAddress(1), tcp: 80, udp: 80 };

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

const SETUPS: readonly (readonly [string, () => ClusterDescription, string])[] = [
  ['a balancer that masquerades for the host behind it', singleTier, 'edge1'],
  ['a machine that is both balancer and Docker host', allInOne, 'all1'],
];

describe.each(SETUPS)('%s', (_, describeCluster, balancer) => {
  test('has its containers answer, over IPv4 and IPv6, TCP and UDP', async () => {
    const description = describeCluster();
    cluster = await Cluster.start(description);
    await cluster.publish('web', WEB, [balancer]);
    await cluster.balanced(balancer, WEB, 2);
    const containers = Object.values(description.machines).flatMap((machine) =>
      Object.keys(machine.containers?.services ?? {}),
    );
    const client = cluster.client();
    expect(await answers(client, WEB)).toEqual(answersFrom(containers, CLIENT));
    await download(client, WEB, 1_000_000);
    expect(containers).toEqual(expect.arrayContaining([...(await upload(client, WEB, 1_000_000))]));
  });
});
