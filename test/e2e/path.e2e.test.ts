/** The whole path: container → docker-agent → etcd → ipvs-agent → kernel → a client's bytes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { destinationKey, IpvsClient, type ObservedDestination } from '@clusterf/ipvs';
import type { AgentProcess } from '../fixtures/agent.js';
import { until } from '../fixtures/until.js';
import { Download, Requests } from './client-process.js';
import { SERVER_IMAGE } from './image.js';
import { untilListening } from './listening.js';
import { VIP } from './network.js';
import { type Stack, startStack, TTL } from './stack.js';

const SERVER_PORT = 8080;
const FRONTEND = '/clusterf/services/web/frontend';
const BACKENDS = '/clusterf/services/web/backends/';

let stack: Stack;
let kernel: IpvsClient;
let dockerAgent: AgentProcess;
let ipvsAgent: AgentProcess;

beforeAll(async () => {
  stack = await startStack();
  kernel = await IpvsClient.open();
  await stack.etcd.put(FRONTEND, JSON.stringify({ ipv4: VIP, tcp: 80, udp: 53, scheduler: 'rr' }));
  dockerAgent = stack.startDockerAgent();
  ipvsAgent = stack.startIpvsAgent();
});
afterEach(async () => {
  const containers = (await stack.dockerd.docker('ps', '-aq')).split('\n').filter(Boolean);
  if (containers.length > 0) await stack.dockerd.docker('rm', '-f', ...containers);
  await until('the table is empty', async () => (await destinations()).length === 0);
});
afterAll(async () => {
  kernel.close();
  await stack[Symbol.asyncDispose]();
});

/** Starts a container of service `web` whose host name is its name, and waits until it serves. @returns its id */
async function web(name: string): Promise<string> {
  const labels = { service: 'web', 'backend.tcp': SERVER_PORT, 'backend.udp': SERVER_PORT };
  const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `clusterf.${key}=${value}`]);
  const id = await stack.dockerd.docker('run', '-d', '--name', name, '--hostname', name, ...flags, SERVER_IMAGE);
  await untilListening(await address(id), SERVER_PORT);
  return id;
}

async function address(container: string): Promise<string> {
  return await stack.dockerd.docker('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', container);
}

/** What the kernel holds for the service's TCP port. */
async function destinations(): Promise<ObservedDestination[]> {
  return await kernel.destinations({ family: 'ipv4', protocol: 'tcp', address: VIP, port: 80 });
}

async function inKernel(...addresses: readonly string[]): Promise<void> {
  const wanted = addresses.map((ip) => `${ip}:${SERVER_PORT}`).toSorted();
  await until(`the kernel holds ${wanted.join(' ')}`, async () => {
    const held = (await destinations()).filter(({ weight }) => weight > 0).map(destinationKey);
    return JSON.stringify(held.toSorted()) === JSON.stringify(wanted);
  });
}

async function requests(protocol: 'http' | 'udp' = 'http'): Promise<Requests> {
  const client = new Requests(stack.client.netns, protocol, VIP, protocol === 'http' ? 80 : 53);
  await until('the client’s first answer', () => client.lines.length > 0);
  return client;
}

async function answered(client: Requests, count: number, since = Date.now()): Promise<Record<string, number>> {
  await until(`${count} more answers`, () => client.answers(since).length >= count);
  return client.tally(since);
}

describe('a labelled container', () => {
  test('answers on the virtual IP', async () => {
    await inKernel(await address(await web('web1')));
    await using client = await requests();
    expect(Object.keys(await answered(client, 5))).toEqual(['web1']);
    expect(client.failures()).toEqual([]);
  });

  test('among three gets its turn from the scheduler, over TCP and over UDP', async () => {
    const ids = await Promise.all(['web1', 'web2', 'web3'].map(async (name) => await web(name)));
    await inKernel(...(await Promise.all(ids.map(address))));
    for (const protocol of ['http', 'udp'] as const) {
      await using client = await requests(protocol);
      const since = Date.now();
      const row = await until('thirty requests in a row are answered', () => client.row(30, since));
      // Round robin: of thirty in a row each has ten, give or take what overtook at the edges.
      for (const name of ['web1', 'web2', 'web3']) {
        const times = row.filter(({ from }) => from === name).length;
        expect(Math.abs(times - 10)).toBeLessThanOrEqual(1);
      }
      expect(client.failures()).toEqual([]);
    }
  });

  test('that is stopped fails no request that began after its weight became 0', async () => {
    const stopped = await web('web1');
    await inKernel(await address(stopped), await address(await web('web2')));
    const stoppedAddress = await address(stopped);
    await using client = await requests();
    await answered(client, 5);
    const stopping = stack.dockerd.docker('stop', stopped);
    await until('its weight is 0', async () => {
      const destination = (await destinations()).find((d) => d.address === stoppedAddress);
      return destination?.weight === 0;
    });
    const drained = Date.now();
    await stopping;
    await until('its destination is gone', async () => (await destinations()).length === 1);
    expect(await answered(client, 20)).toEqual({ web2: expect.any(Number) });
    expect(client.failures(drained)).toEqual([]);
  });

  test('that is killed is gone from the kernel', async () => {
    const killed = await web('web1');
    await inKernel(await address(killed), await address(await web('web2')));
    await stack.dockerd.docker('kill', killed);
    await until('its destination is gone', async () => (await destinations()).length === 1);
    await using client = await requests();
    expect(Object.keys(await answered(client, 10))).toEqual(['web2']);
    expect(client.failures()).toEqual([]);
  });

  test('that comes back with another address is followed', async () => {
    const moved = await web('web1');
    const before = await address(moved);
    await inKernel(before);
    await stack.dockerd.docker('stop', '-t', '0', moved);
    await stack.dockerd.docker('run', '-d', SERVER_IMAGE); // takes the address that is free now
    await stack.dockerd.docker('start', moved);
    const after = await address(moved);
    await untilListening(after, SERVER_PORT);
    expect(after).not.toBe(before);
    await inKernel(after);
    await using client = await requests();
    expect(Object.keys(await answered(client, 5))).toEqual(['web1']);
  });
});

describe('with --masquerade', () => {
  beforeAll(async () => {
    await ipvsAgent.stop();
    ipvsAgent = stack.startIpvsAgent('--masquerade', '172.16.0.0/12', '--exit-unmasquerade');
  });
  afterAll(async () => {
    await ipvsAgent.stop();
    ipvsAgent = stack.startIpvsAgent();
  });

  test('a container reaches its own service by its virtual address, and so do those on its and on other networks', async () => {
    const self = await web('web1');
    await inKernel(await address(self));
    await stack.dockerd.docker('network', 'create', 'other');
    const askers = {
      itself: self,
      'its neighbour': await stack.dockerd.docker('run', '-d', SERVER_IMAGE),
      'another network': await stack.dockerd.docker('run', '-d', '--network', 'other', SERVER_IMAGE),
    };
    for (const [asker, container] of Object.entries(askers)) {
      const pid = await stack.dockerd.docker('inspect', '-f', '{{.State.Pid}}', container);
      await using client = new Requests(`/proc/${pid}/ns/net`, 'http', VIP, 80);
      await until(`${asker} is answered`, () => client.answers().length >= 5);
      expect({ [asker]: client.failures() }).toEqual({ [asker]: [] });
    }
    await using outside = await requests();
    expect(Object.keys(await answered(outside, 5))).toEqual(['web1']);
  });
});

describe('what must not be noticed', () => {
  test('a docker-agent that is killed: its registrations lapse with the lease, and come back with it', async () => {
    const ip = await address(await web('web1'));
    await inKernel(ip);
    await dockerAgent.stop('SIGKILL');
    await until('the registrations lapse', async () => (await destinations()).length === 0);
    expect(await stack.etcd.read(BACKENDS)).toEqual({});
    dockerAgent = stack.startDockerAgent();
    await inKernel(ip);
  });

  test('etcd that is away for longer than the lease’s time', async () => {
    await inKernel(await address(await web('web1')));
    await using client = await requests();
    const from = Date.now();
    await stack.etcd.stop();
    await until('the lease’s time has passed', () => Date.now() - from > (TTL + 2) * 1000);
    await stack.etcd.start();
    const back = Date.now();
    // Long enough for a registration that was not kept alive to lapse.
    await until('the lease’s time has passed again', () => Date.now() - back > (TTL + 2) * 1000);
    expect(client.failures(from)).toEqual([]);
    expect(client.answers(from).length).toBeGreaterThan(50);
    const added = await address(await web('web2'));
    await until('a new container is registered', async () => (await destinations()).some((d) => d.address === added));
  });

  test('an ipvs-agent killed and restarted under a running transfer: no byte is lost and no operation issued', async () => {
    await inKernel(await address(await web('web1')));
    await using download = new Download(stack.client.netns, VIP, 80);
    await until('the transfer runs', () => download.bytes > 0);
    await ipvsAgent.stop('SIGKILL');
    ipvsAgent = stack.startIpvsAgent();
    await ipvsAgent.waitFor('source read');
    const sofar = download.bytes;
    await until('the transfer goes on', () => download.bytes > sofar + 2_000_000);
    const added = await address(await web('web2'));
    await until('the restarted agent is at work', async () => (await destinations()).some((d) => d.address === added));
    const operations = ipvsAgent.log.filter((line) => 'virtualService' in line);
    expect(operations.map(({ message, destination }) => `${message} ${String(destination)}`)).toEqual(
      // TCP and UDP of the container that came after.
      [`new destination ${added}:${SERVER_PORT}`, `new destination ${added}:${SERVER_PORT}`],
    );
    expect(download.bytes).toBeGreaterThan(sofar);
  });
});
