/**
 * The demo's story, told in a machine of the lab: every part is real, every claim is checked, and the first that does
 * not hold ends it with status 1.
 */
import { IpvsClient } from '@clusterf/ipvs';
import { Download, Requests } from '../e2e/client-process.js';
import { SERVER_IMAGE } from '../e2e/image.js';
import { untilListening } from '../e2e/listening.js';
import { VIP } from '../e2e/network.js';
import { type Stack, startStack, TTL } from '../e2e/stack.js';
import type { AgentProcess } from '../fixtures/agent.js';
import { until } from '../fixtures/until.js';
import { Narrator } from './narrator.js';

const LABELS = '-l clusterf.service=web -l clusterf.backend.tcp=8080 -l clusterf.backend.udp=8080';
const REQUESTS = 30;

function runLine(name: string): string {
  return `docker run -d --name ${name} -h ${name} ${LABELS} ${SERVER_IMAGE} | cut -c 1-12`;
}

async function tell(stack: Stack, kernel: IpvsClient): Promise<void> {
  const { etcd, dockerd, client } = stack;
  const story = new Narrator({ DOCKER_HOST: dockerd.endpoint, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: etcd.host });
  /** Starts an agent in the background, and says how. */
  const started = (agent: AgentProcess): AgentProcess => {
    story.say(`$ ${agent.commandLine} &    # process ${agent.pid}`);
    return agent;
  };

  const addressOf = async (container: string) =>
    await dockerd.docker('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', container);
  /** The kernel's destinations that take new connections. */
  const taking = async () =>
    (await kernel.destinations({ family: 'ipv4', protocol: 'tcp', address: VIP, port: 80 })).filter(
      ({ weight }) => weight > 0,
    );
  /** Waits until so many are in the kernel and the programs behind them have started. */
  const destinations = async (count: number) => {
    await until(`${count} destinations take connections`, async () => (await taking()).length === count);
    for (const { address, port } of await taking()) await untilListening(address, port);
  };

  /** Asks the virtual IP over TCP and UDP and says who answered how often. */
  const ask = async (...expected: readonly string[]) => {
    await using http = new Requests(client.netns, 'http', VIP, 80, 20);
    await using udp = new Requests(client.netns, 'udp', VIP, 53, 20);
    for (const [name, requests] of Object.entries({ [`http://${VIP}/`]: http, [`udp ${VIP}:53`]: udp })) {
      await until('the answers', () => requests.lines.length >= REQUESTS, 30_000);
      await requests.stop();
      const tally = requests.tally();
      const told = Object.entries(tally).map(([from, times]) => `${from} ${times}×`);
      story.claim(
        `client: ${requests.lines.length} answers of ${name}: ${told.toSorted().join(', ')}; ${requests.failures().length} failed`,
        requests.failures().length === 0 && Object.keys(tally).toSorted().join() === expected.join(),
      );
    }
  };

  story.chapter('A labelled container answers on its virtual IP');
  story.say(
    `# This machine is Docker host and balancer. It has ${VIP} on lo, forwards, and the client's default route.`,
  );
  let dockerAgent = started(stack.startDockerAgent());
  let ipvsAgent = started(stack.startIpvsAgent());
  await story.shell(
    `etcdctl put /clusterf/services/web/frontend '{"ipv4": "${VIP}", "tcp": 80, "udp": 53, "scheduler": "rr"}'`,
  );
  await story.shell(runLine('web1'));
  await destinations(1);
  await story.shell('etcdctl get --prefix /clusterf/services/web/backends/');
  await story.shell('ipvsadm -Ln');
  await ask('web1');

  story.chapter('Three containers share the work');
  await story.shell(runLine('web2'));
  await story.shell(runLine('web3'));
  await destinations(3);
  await story.shell('ipvsadm -Ln');
  await ask('web1', 'web2', 'web3');

  story.chapter('One is stopped: it drains, and no request fails that began after its weight became 0');
  {
    await using requests = new Requests(client.netns, 'http', VIP, 80);
    await until('the client runs', () => requests.lines.length > 5);
    const stopping = dockerd.docker('stop', 'web3');
    story.say('$ docker stop web3 &');
    await destinations(2);
    const drained = Date.now();
    await story.shell('ipvsadm -Ln -t 10.107.107.107:80');
    await stopping;
    await until('twenty more answers', () => requests.answers(drained).length > 20);
    const failed = requests.failures(drained).length;
    story.claim(
      `${requests.answers(drained).length} requests since the kernel has its weight as 0, ${failed} failed`,
      failed === 0,
    );
    story.claim('none of them went to web3', requests.tally(drained)['web3'] === undefined);
  }

  story.chapter('One is killed: its destination goes');
  const was = await addressOf('web2');
  await story.shell('docker kill web2');
  await destinations(1);
  await ask('web1');

  story.chapter('Both come back, in the other order and so with other addresses, and are followed');
  await story.shell('docker start web3 web2');
  await destinations(3);
  const now = await addressOf('web2');
  await story.shell(`ipvsadm -Ln -t ${VIP}:80`);
  story.claim(`web2 was ${was} and is ${now}`, was !== now);
  await ask('web1', 'web2', 'web3');

  story.chapter('The docker-agent is killed: its registrations lapse with their lease, and come back with it');
  await story.shell(`kill -KILL ${dockerAgent.pid}    # clusterf-docker`);
  story.say(
    `# waiting for its lease to end: --ttl ${TTL}s, so that you wait less than the default 10 s, and for the brake: --brake-hold 3s of the default 30 s`,
  );
  await destinations(0);
  await story.shell('etcdctl get --prefix --keys-only /clusterf/services/web/backends/');
  await story.shell(`ipvsadm -Ln -t ${VIP}:80`);
  story.claim('etcd has dropped them, and the balancer with it', (await taking()).length === 0);
  dockerAgent = started(stack.startDockerAgent());
  await destinations(3);
  await ask('web1', 'web2', 'web3');

  story.chapter(`etcd is away for longer than the lease's ${TTL} s: the client notices nothing`);
  {
    await using requests = new Requests(client.netns, 'http', VIP, 80);
    await until('the client runs', () => requests.lines.length > 5);
    const from = Date.now();
    await story.shell(`kill -TERM ${etcd.pid}    # etcd`);
    await etcd.stop();
    await until('the lease’s time has passed', () => Date.now() - from > (TTL + 1) * 1000);
    story.say(`# ${TTL + 1} s later: etcd is started again, and ${TTL + 1} s more pass`);
    await etcd.start();
    const back = Date.now();
    await until('the lease’s time has passed again', () => Date.now() - back > (TTL + 1) * 1000);
    const failed = requests.failures(from).length;
    story.claim(`${requests.answers(from).length} requests meanwhile, ${failed} failed`, failed === 0);
    story.claim('all three containers are still published', (await taking()).length === 3);
  }

  story.chapter('The ipvs-agent is killed and restarted under a running transfer');
  await using download = new Download(client.netns, VIP, 80);
  await until('the transfer runs', () => download.bytes > 0);
  const before = download.bytes;
  story.say(`# client: downloading http://${VIP}/stream, an endless stream of known bytes`);
  await story.shell(`kill -KILL ${ipvsAgent.pid}    # clusterf-ipvs`);
  await ipvsAgent.exit();
  ipvsAgent = started(stack.startIpvsAgent());
  await ipvsAgent.waitFor('source read');
  await until('the transfer goes on', () => download.bytes > before + 2_000_000);
  await story.shell(runLine('web4'));
  await destinations(4);
  story.claim(`${(download.bytes / 1e6).toFixed(1)} MB so far, every byte the right one`, download.bytes > before);
  story.say('# all that the new agent has logged of operations:');
  const operations = ipvsAgent.log.filter((line) => 'virtualService' in line);
  for (const { message, virtualService, destination } of operations)
    story.say(`  ${message}: ${String(virtualService)} -> ${String(destination)}`);
  story.claim('they are web4, over TCP and UDP, and nothing else', operations.length === 2);
  await story.shell('ipvsadm -Ln');
}

const began = performance.now();
process.stdout.write('Starting etcd, dockerd and a client in a network namespace of its own …\n');
const stack = await startStack((part) => {
  process.stdout.write(`  ${part} is ready (${((performance.now() - began) / 1000).toFixed(1)} s)\n`);
});
await tell(stack, await IpvsClient.open());
process.stdout.write('\n');
// No need to tidy up part by part: the machine ends with all that is in it.
process.exit(0);
