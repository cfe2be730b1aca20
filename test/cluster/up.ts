/**
 * Builds a cluster in the machine this runs in, publishes a service on it and keeps it until it is killed:
 *
 *     up.js KIND        of KINDS
 *
 * Writes what there is to standard output, and READY when all of it is.
 */
import { until } from '../fixtures/until.js';
import { addressIn, virtualAddress } from './addresses.js';
import { Cluster } from './cluster.js';
import { type ClusterDescription, CONTROL, NETWORKS } from './description.js';
import { isKind, KINDS, READY } from './kinds.js';

/** What each machine of a cluster is, a line each. */
function* inventory(cluster: Cluster, { machines, networks }: ClusterDescription): Generator<string> {
  for (const [name, { number, networks: on, balancer, containers }] of Object.entries(machines)) {
    const addresses = on
      .filter((network) => network !== CONTROL)
      .map((network) => `${addressIn(networks[network]?.number ?? 0, number).ipv4} (${network})`);
    const roles = [balancer && `clusterf-ipvs, ${balancer.kind}`, containers && 'containers'].filter(Boolean);
    yield `${name.padEnd(8)} ${addresses.join(' ')}  ${roles.join(', ')}`;
    for (const container of containers === undefined ? [] : cluster.machine(name).containers.names)
      yield `${''.padEnd(8)}   container ${container}`;
  }
}

const [kind = ''] = process.argv.slice(2);
if (!isKind(kind))
  throw new RangeError(`kind of cluster ${JSON.stringify(kind)}: expected ${Object.keys(KINDS).join(', ')}`);
const { describe, balancers } = KINDS[kind];
const description = describe();
const service = { ...virtualAddress(1), tcp: 80, udp: 80 };

const cluster = await Cluster.start(description, { report: (part) => console.log(`${part}: up`) });
await cluster.publish('web', service, balancers);
// The router may know the edge before the hosts know the service.
const [answer] = await until('the client is answered', async () => {
  return await cluster.client().ask('tcp', { address: service.ipv4, port: 80 });
});

const control = addressIn(NETWORKS[CONTROL].number, description.machines[balancers[0] ?? '']?.number ?? 0).ipv4;
console.log(`
${[...inventory(cluster, description)].join('\n')}

service web on ${service.ipv4} and [${service.ipv6}], TCP and UDP port 80; the client was answered by ${answer?.from}

  nsenter --net=/run/netns/client busybox wget -qO- http://${service.ipv4}/client
  nsenter --net=/run/netns/${balancers[0]} ipvsadm -Ln
  nsenter --net=/run/netns/${balancers[0]} curl -s http://${control}:9780/status
  nsenter --net=/run/netns/router ip route
  birdc -s ${cluster.directory}/router.bird/bird.ctl show bfd sessions
  etcdctl --endpoints ${cluster.etcd.members.map(({ url }) => url).join(',')} get --prefix /clusterf
  ls ${cluster.directory}   # logs of BIRD, etcd and servers
${READY}`);
setInterval(() => {}, 2 ** 30);
