import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { destinationKey, IpvsClient, type VirtualService, virtualServiceKey } from '@clusterf/ipvs';
import type { Problem } from '@clusterf/model';
import { requireMachine } from '../../../test/lab/index.js';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { AgentMetrics } from '../src/metrics.js';
import type { Desired } from '../src/plan.js';
import { Scraper } from '../src/scrape.js';
import { readExposition } from './exposition.js';
import { STATUS } from './status-fixture.js';

let client: IpvsClient;
let server: Server;
let port: number;

beforeAll(async () => {
  requireMachine();
  client = await IpvsClient.open();
  server = createServer((socket) => socket.end('served'));
  port = await listen(server);
});
beforeEach(async () => client.flush());
afterAll(async () => {
  await client.flush();
  client.close();
  server.close();
});

const WEB: VirtualService = {
  id: { family: 'ipv4', protocol: 'tcp', address: '127.0.0.10', port: 8000 },
  scheduler: 'rr',
  schedulerFlags: 0,
  onePacket: false,
};

/** The server of this test, under its name in a tree. */
function backend() {
  const settings = { method: 'masq', weight: 3, upperThreshold: 0, lowerThreshold: 0 } as const;
  return { family: 'ipv4', address: '127.0.0.1', port, ...settings, backends: ['a'] } as const;
}

function names(): Desired {
  const destinations = new Map([[destinationKey(backend()), backend()]]);
  return new Map([[virtualServiceKey(WEB.id), { service: { ...WEB, serviceName: 'web' }, destinations }]]);
}

/** Scrapes, a second after the last time. */
function scraping() {
  const clock = new ManualClock();
  const seen = { problems: [] as readonly Problem[] };
  const scraper = new Scraper({
    metrics: new AgentMetrics({ command: 'clusterf-ipvs', version: '1', status: () => STATUS }),
    open: async () => IpvsClient.open(),
    names,
    clock,
    onProblems: (problems) => {
      seen.problems = problems;
    },
  });
  const scrape = async () => {
    await clock.advance(1_000);
    return readExposition([...(await scraper.scrape())].join(''));
  };
  return { seen, scraper, scrape };
}

test('connections through the kernel show under the names of service and backend', async () => {
  await client.newService(WEB);
  await client.newDestination(WEB.id, backend());
  for (let n = 0; n < 3; n += 1) {
    const socket = connect(8000, '127.0.0.10').resume();
    await once(socket, 'close');
  }
  const { seen, scraper, scrape } = scraping();
  // The kernel brings its counters up to date every two seconds.
  const { value } = await until('the connections are counted', async () => {
    const now = await scrape();
    return now.value('clusterf_ipvs_service_connections_total', { service: 'web' }) === 3 && now;
  });
  const of = { service: 'web', virtual_service: 'tcp 127.0.0.10:8000', backend: 'a', destination: `127.0.0.1:${port}` };
  expect(value('clusterf_ipvs_destination_connections_total', of)).toBe(3);
  expect(value('clusterf_ipvs_destination_incoming_packets_total', of)).toBeGreaterThanOrEqual(9);
  expect(value('clusterf_ipvs_destination_outgoing_bytes_total', of)).toBeGreaterThan(3 * 40);
  expect(value('clusterf_ipvs_destination_weight', of)).toBe(3);
  expect(value('clusterf_ipvs_destination_inactive_connections', of)).toBe(3);
  expect(value('clusterf_ipvs_counters_up')).toBe(1);
  expect(seen.problems).toEqual([]);
  scraper.close();
});

test('a table of hundreds of services is read whole, foreign ones without names, while the agent changes it', async () => {
  const services = Array.from({ length: 300 }, (_, n) => ({
    ...WEB,
    id: { ...WEB.id, address: `10.1.${n >> 8}.${n & 255}` } as const,
  }));
  await client.batch(services.map((service) => ({ command: 'newService', service })));
  const { scraper, scrape } = scraping();
  const reading = scrape();
  await client.newService(WEB);
  await client.newDestination(WEB.id, backend());
  await reading;
  const now = await scrape();
  const foreign = now.samples.filter(
    ({ name, labels }) => name === 'clusterf_ipvs_service_connections_total' && labels['service'] === '',
  );
  expect(foreign).toHaveLength(300);
  expect(now.value('clusterf_ipvs_destination_weight', { service: 'web', backend: 'a' })).toBe(3);
  scraper.close();
});
