/** From `docker start` returning to the destination being in the kernel, through both agents and etcd. */
import { IpvsClient } from '@clusterf/ipvs';
import { SERVER_IMAGE } from '../e2e/image.js';
import { VIP } from '../e2e/network.js';
import { startStack } from '../e2e/stack.js';
import { until } from '../fixtures/until.js';

const RUNS = 20;
const SERVICE = { family: 'ipv4', protocol: 'tcp', address: VIP, port: 80 } as const;

await using stack = await startStack();
using kernel = await IpvsClient.open();
await stack.etcd.put('/clusterf/services/web/frontend', JSON.stringify({ ipv4: VIP, tcp: 80 }));
await stack.startDockerAgent().waitFor('started');
await stack.startIpvsAgent().waitFor('source read');

const present = async () => (await kernel.destinations(SERVICE)).length > 0;
const labels = ['--label', 'clusterf.service=web', '--label', 'clusterf.backend.tcp=8080'];
const container = await stack.dockerd.docker('create', ...labels, SERVER_IMAGE);
const times: number[] = [];
for (let run = 0; run < RUNS; run += 1) {
  await stack.dockerd.docker('start', container);
  const returned = performance.now();
  await until('the destination', present);
  times.push(performance.now() - returned);
  await stack.dockerd.docker('kill', container);
  await until('the destination is gone', async () => !(await present()));
}
const sorted = times.toSorted((a, b) => a - b);
const median = sorted[Math.floor(RUNS / 2)] ?? Number.NaN;
const worst = sorted.at(-1) ?? Number.NaN;
process.stdout.write(
  `docker start returned → destination in the kernel, ${RUNS} runs: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms\n`,
);
