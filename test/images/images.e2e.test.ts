/** The image and docker-compose.yml where a kernel has IPVS: what docs/images.md promises of the balancer. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { destinationKey, IpvsClient, type VirtualServiceId, virtualServiceKey } from '@clusterf/ipvs';
import { Requests } from '../e2e/client-process.js';
import { type ClientNetwork, setUpNetwork } from '../e2e/network.js';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.js';
import { until } from '../fixtures/until.js';
import { requireMachine } from '../lab/index.js';
import { buildImage } from './build.js';
import { type Compose, composeOn, importExamples, WEB } from './compose.js';
import { Container } from './container.js';

const run = promisify(execFile);

const IMAGE = 'clusterf';
const USER = 65532;
/** CAP_NET_ADMIN, as a bit in hexadecimal. */
const NET_ADMIN = '1000';
const FRONTEND = '/clusterf/services/web/frontend';
const BACKEND = '/clusterf/services/web/backends/web1';
const VIP = '10.107.107.108';
const SERVICE: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: VIP, port: 80 };
const DESTINATION = '192.0.2.2:8080';
/** As docs/images.md has it. */
const CONFINED = ['--network', 'host', '--read-only', '--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN'];
/** Milliseconds; generous, since containers start slowly where the kernel is a program. */
const PATIENCE = 90_000;

jest.setTimeout(300_000);

let network: ClientNetwork;
let dockerd: Dockerd;
let kernel: IpvsClient;

beforeAll(async () => {
  requireMachine();
  network = await setUpNetwork();
  kernel = await IpvsClient.open();
  // The host's network is the machine's own, as everywhere.
  dockerd = await startDockerd({ netns: '/proc/self/ns/net' });
  await buildImage(dockerd, IMAGE, 'BuildKit');
  await importExamples(dockerd);
}, 600_000);
afterAll(async () => {
  kernel.close();
  await dockerd[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

/** Of the virtual service, if there is one. */
async function destinations(): Promise<string[] | undefined> {
  if (!(await kernel.services()).some(({ id }) => virtualServiceKey(id) === virtualServiceKey(SERVICE)))
    return undefined;
  return (await kernel.destinations(SERVICE)).map(destinationKey);
}

async function kernelHolds(...wanted: readonly string[]): Promise<void> {
  await until(
    `the kernel holds ${wanted.join(' ')}`,
    async () => JSON.stringify(await destinations()) === JSON.stringify(wanted),
    PATIENCE,
  );
}

describe('the ipvs-agent in a container', () => {
  let etcd: EtcdProcess;

  beforeAll(async () => {
    etcd = await startEtcd();
    await etcd.put(FRONTEND, JSON.stringify({ ipv4: VIP, tcp: SERVICE.port }));
    await etcd.put(BACKEND, JSON.stringify({ ipv4: '192.0.2.2', tcp: 8080 }));
    // A tree without any would be taken for a mistake.
    await etcd.put('/clusterf/services/other/frontend', JSON.stringify({ ipv4: VIP, tcp: 81 }));
  });
  afterEach(async () => {
    await kernel.flush();
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  async function agent(options: readonly string[] = [], ...words: readonly string[]): Promise<Container> {
    const source = ['--config-source', `etcd://${etcd.host}/clusterf`];
    return await Container.run(dockerd, 'ipvs', ...CONFINED, ...options, IMAGE, 'clusterf-ipvs', ...source, ...words);
  }

  test('programs the kernel as no root, with NET_ADMIN alone, and leaves it as it is when it is stopped', async () => {
    await using container = await agent(['--health-interval', '1s']);
    await kernelHolds(DESTINATION);
    const privileges = { uid: USER, effective: NET_ADMIN, bounding: NET_ADMIN, noNewPrivileges: false };
    expect(await container.privileges()).toEqual(privileges);
    await container.healthIs('healthy');
    expect((await container.stop()).exitCode).toBe(0);
    expect(await destinations()).toEqual([DESTINATION]);
  });

  test('that is made anew on the same volume deletes what the tree dropped meanwhile', async () => {
    const volume = ['--volume', 'ipvs-state:/run/clusterf'];
    await using first = await agent(volume);
    await kernelHolds(DESTINATION);
    await first.remove();
    await etcd.remove(FRONTEND);
    try {
      await using second = await agent(volume);
      await until('it is gone', async () => (await destinations()) === undefined, PATIENCE);
      expect(await second.logs()).toContain('removed service');
    } finally {
      await etcd.put(FRONTEND, JSON.stringify({ ipv4: VIP, tcp: SERVICE.port }));
      await dockerd.docker('volume', 'rm', 'ipvs-state');
    }
  });

  test('that is given up by --clear takes away what the one before it made', async () => {
    const volume = ['--volume', 'ipvs-state:/run/clusterf'];
    await using first = await agent(volume);
    await kernelHolds(DESTINATION);
    await first.remove();
    await using second = await agent(volume, '--clear');
    await until('it is gone', async () => (await destinations()) === undefined, PATIENCE);
    await until('it has ended', async () => (await second.inspect('{{.State.Running}}')) === 'false', PATIENCE);
    expect(await second.inspect('{{.State.ExitCode}}')).toBe('0');
    await second.remove();
    await dockerd.docker('volume', 'rm', 'ipvs-state');
  });

  test('under no-new-privileges has to be root in it, with NET_ADMIN alone all the same', async () => {
    await using container = await agent(['--security-opt', 'no-new-privileges', '--user', '0']);
    await kernelHolds(DESTINATION);
    const privileges = { uid: 0, effective: NET_ADMIN, bounding: NET_ADMIN, noNewPrivileges: true };
    expect(await container.privileges()).toEqual(privileges);
  });

  test.each([
    ['without NET_ADMIN', CONFINED.slice(0, -2)],
    ['as no root under no-new-privileges', [...CONFINED, '--security-opt', 'no-new-privileges']],
  ])('%s says what it lacks', async (_situation, options) => {
    await using container = await Container.run(dockerd, 'ipvs', ...options, IMAGE, 'clusterf-ipvs');
    await until('it has ended', async () => (await container.inspect('{{.State.Running}}')) === 'false', PATIENCE);
    expect(await container.logs()).toContain('CAP_NET_ADMIN');
  });

  test('keeps kernel settings where /proc/sys is not read-only, and can change none but the network’s', async () => {
    const setting = 'net.ipv4.vs.expire_nodest_conn';
    await run('sysctl', ['-qw', `${setting}=0`]);
    await using container = await agent(['--security-opt', 'systempaths=unconfined'], '--profile', 'standalone');
    await kernelHolds(DESTINATION);
    expect((await run('sysctl', ['-n', setting])).stdout.trim()).toBe('1');
    const escape = container.exec('sh', '-c', 'echo /tmp/x >/proc/sys/kernel/core_pattern');
    await expect(escape).rejects.toThrow('Permission denied');
  });
});

test('clusterf up in a container publishes another one', async () => {
  const group = String((await stat(dockerd.socketPath)).gid);
  const socket = ['--volume', `${dockerd.socketPath}:/var/run/docker.sock`, '--group-add', group];
  const options = [...CONFINED, ...socket, '--health-interval', '1s'];
  const command = ['clusterf', 'up', '--allow-frontend', `${VIP}/32`, '--exit-withdraw'];
  await using up = await Container.run(dockerd, 'up', ...options, IMAGE, ...command);
  await using web = await Container.run(dockerd, 'web', ...labels(), WEB);
  await using client = asking();
  await until('the client is answered', () => Object.keys(client.tally()).length > 0, PATIENCE);
  expect(Object.keys(client.tally())).toEqual([await web.inspect('{{.Config.Hostname}}')]);
  await up.healthIs('healthy', PATIENCE);
  expect((await up.stop()).exitCode).toBe(0);
  await kernel.flush();
});

/** A client outside of all containers; not too eager, since each answer starts two processes. */
function asking(): Requests {
  return new Requests(network.netns, 'http', VIP, 80, 500);
}

/** As docker-compose.yml has them. */
function labels(): string[] {
  const settings = { service: 'web', 'backend.tcp': 80, 'frontend.ipv4': VIP, 'frontend.tcp': 80 };
  return Object.entries(settings).flatMap(([key, value]) => ['--label', `clusterf.${key}=${value}`]);
}

describe('docker-compose.yml', () => {
  let compose: Compose;

  beforeAll(async () => {
    compose = composeOn(dockerd, { CLUSTERF_IMAGE: IMAGE, VIP });
    await compose('up', '--detach', '--no-build');
  }, 600_000);

  test('publishes its example: a client outside and the machine itself are answered at the virtual address', async () => {
    await using client = asking();
    await until('the client is answered', () => Object.keys(client.tally()).length > 0, PATIENCE);
    const answer = await fetch(`http://${VIP}/`);
    expect((await answer.text()).trim()).toBe(Object.keys(client.tally())[0]);
  });

  test('scaled to three, all of them answer', async () => {
    await compose('up', '--detach', '--no-build', '--scale', 'web=3');
    await using client = asking();
    await until('three are answering', () => Object.keys(client.tally()).length === 3, PATIENCE);
    expect(client.failures()).toEqual([]);
  });

  test.each(['quick_docker-agent_1', 'quick_ipvs-agent_1'])('its agent %s is well', async (name) => {
    const container = new Container(dockerd, name);
    await container.healthIs('healthy', PATIENCE);
    expect(await container.inspect('{{.HostConfig.ReadonlyRootfs}}')).toBe('true');
  });

  test('listens at loopback alone', async () => {
    const { stdout } = await run('ss', ['-Hltn']);
    const listening = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[3] ?? '');
    const ours = listening.filter((address) => /:(2379|2380|9780|9781)$/.test(address));
    expect(ours.toSorted()).toEqual(['127.0.0.1:2379', '127.0.0.1:2380', '127.0.0.1:9780', '127.0.0.1:9781']);
  });

  test('taken down while it is being asked, it leaves nothing behind', async () => {
    await using client = asking();
    await until('the client is answered', () => Object.keys(client.tally()).length > 0, PATIENCE);
    const balancer = new Container(dockerd, 'quick_ipvs-agent_1').logs('--follow');
    await compose('down', '--volumes');
    expect(await balancer).toContain('device removed');
    expect(await dockerd.docker('ps', '--all', '--quiet')).toBe('');
    expect(await dockerd.docker('volume', 'ls', '--quiet')).toBe('');
    expect(await dockerd.docker('network', 'ls', '--filter', 'name=quick', '--quiet')).toBe('');
    expect(await kernel.services()).toEqual([]);
    const { stdout: devices } = await run('ip', ['-o', 'link']);
    expect(devices).not.toContain('clusterf0');
  });
});
