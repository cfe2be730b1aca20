/** The whole path in one process: container → `clusterf up` → kernel → a client's bytes. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { destinationKey, IpvsClient } from '@clusterf/ipvs';
import { AgentProcess } from '../fixtures/agent.js';
import { PASS, startDockerProxy } from '../fixtures/docker-proxy.js';
import { until } from '../fixtures/until.js';
import { projectRoot } from '../lab/index.js';
import { Download, Requests } from './client-process.js';
import { SERVER_IMAGE } from './image.js';
import { untilListening } from './listening.js';
import { type Stack, startStack } from './stack.js';

const run = promisify(execFile);

const SERVER_PORT = 8080;
/** Not the stack's own, which is on `lo`: `clusterf up` binds this one itself. */
const VIP = '10.107.0.1';
const ALLOWED = ['--allow-frontend', '10.107.0.0/24'];
const HTTP = 'http://127.0.0.1:9780';
const HERE = '/proc/self/ns/net';

let stack: Stack;
let kernel: IpvsClient;
let up: AgentProcess;

beforeAll(async () => {
  stack = await startStack();
  kernel = await IpvsClient.open();
});
afterAll(async () => {
  kernel.close();
  // Left, as it should be, by whoever was not told to take it along; a single test may not have made it.
  await run('ip', ['link', 'delete', 'clusterf0']).catch(() => undefined);
  await stack[Symbol.asyncDispose]();
});

/** Starts a container of service `web`, which publishes itself, and waits until it serves. @returns its address */
async function web(name: string): Promise<string> {
  const labels = {
    service: 'web',
    'backend.tcp': SERVER_PORT,
    'frontend.ipv4': VIP,
    'frontend.tcp': 80,
    'frontend.scheduler': 'rr',
  };
  const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `clusterf.${key}=${value}`]);
  await stack.dockerd.docker('run', '-d', '--name', name, '--hostname', name, ...flags, SERVER_IMAGE);
  return await listening(name);
}

async function listening(name: string): Promise<string> {
  const address = await stack.dockerd.docker('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', name);
  await untilListening(address, SERVER_PORT);
  return `${address}:${SERVER_PORT}`;
}

/** What the kernel holds for the service, with its weight. */
async function destinations(port = 80): Promise<Readonly<Record<string, number>>> {
  const virtualService = { family: 'ipv4', protocol: 'tcp', address: VIP, port } as const;
  const found = await kernel.destinations(virtualService).catch(() => []);
  return Object.fromEntries(found.map((destination) => [destinationKey(destination), destination.weight]));
}

async function inKernel(wanted: Readonly<Record<string, number>>): Promise<void> {
  await until(`the kernel holds ${JSON.stringify(wanted)}`, async () =>
    isDeepStrictEqual(await destinations(), wanted),
  );
}

/** Whether the virtual address is on the machine's own device. */
async function bound(): Promise<boolean> {
  const { stdout } = await run('ip', ['-o', 'address', 'show', 'dev', 'clusterf0']).catch(() => ({ stdout: '' }));
  return stdout.includes(`${VIP}/32`);
}

async function answered(netns: string, count = 5): Promise<Requests> {
  const client = new Requests(netns, 'http', VIP, 80);
  await until(`${count} answers`, () => client.answers().length >= count);
  return client;
}

/** The operations a process has done, as the log has them. */
function operations({ log }: AgentProcess): readonly string[] {
  return log.filter((line) => 'virtualService' in line).map(({ message }) => message);
}

async function get(path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${HTTP}${path}`);
  return { status: response.status, text: await response.text() };
}

/** An object of `/status`, by its path. */
async function status(...path: readonly string[]): Promise<unknown> {
  const { text } = await get('/status');
  return path.reduce<unknown>((value, key) => Reflect.get(Object(value), key), JSON.parse(text));
}

async function ready(): Promise<void> {
  try {
    await until('it is ready', async () => (await get('/readyz').catch(() => undefined))?.status === 200, 60_000);
  } catch (cause) {
    throw new Error(`it is not ready:\n${up.text()}`, { cause });
  }
}

/** A command beside it, told nothing but what is here. */
async function clusterf(...args: readonly string[]) {
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');
  return await run(bin, [...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  );
}

async function removeContainers(): Promise<void> {
  const containers = (await stack.dockerd.docker('ps', '-aq')).split('\n').filter(Boolean);
  if (containers.length > 0) await stack.dockerd.docker('rm', '-f', ...containers);
}

async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', [...args]);
}

/** Another machine's network, from which etcd is reached by the address that is given to it. */
async function otherMachine(): Promise<{ readonly netns: string; readonly etcd: string } & AsyncDisposable> {
  await ip('netns', 'add', 'other');
  await ip('link', 'add', 'to-other', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'other');
  await ip('address', 'add', '192.0.2.9/30', 'dev', 'to-other');
  await ip('link', 'set', 'to-other', 'up');
  await ip('-n', 'other', 'link', 'set', 'lo', 'up');
  await ip('-n', 'other', 'address', 'add', '192.0.2.10/30', 'dev', 'eth0');
  await ip('-n', 'other', 'link', 'set', 'eth0', 'up');
  const server = createServer((socket) => {
    const upstream = connect(stack.etcd.port, '127.0.0.1');
    socket.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => socket.destroy()).pipe(socket);
  });
  server.listen(2379, '192.0.2.9');
  await once(server, 'listening');
  return {
    netns: '/run/netns/other',
    etcd: '192.0.2.9:2379',
    [Symbol.asyncDispose]: async () => {
      server.close();
      await ip('netns', 'del', 'other');
    },
  };
}

async function tableOf(netns: string): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${netns}`, 'ipvsadm', '-Sn']);
  return stdout;
}

describe('a machine alone', () => {
  beforeAll(async () => {
    up = stack.startUp(...ALLOWED);
    await ready();
  });
  afterEach(async () => {
    await removeContainers();
    await until('the table is empty', async () => (await kernel.services()).length === 0, 30_000);
  });
  afterAll(async () => {
    await up.stop();
  });

  test('publishes a labelled container on its virtual address, to clients outside and on the machine itself', async () => {
    await inKernel({ [await web('web1')]: 10 });
    for (const netns of [stack.client.netns, HERE]) {
      await using client = await answered(netns);
      expect(Object.keys(client.tally())).toEqual(['web1']);
      expect(client.failures()).toEqual([]);
    }
    expect(await bound()).toBe(true);
  });

  test('is known to the commands that look at the machine, though no etcd is', async () => {
    await inKernel({ [await web('web1')]: 10 });
    const labels = ['service=wiki', 'backend.tcp=8080', `frontend.ipv4=${VIP}`, 'frontend.tcp=80'];
    const flags = labels.flatMap((label) => ['--label', `clusterf.${label}`]);
    await stack.dockerd.docker('run', '-d', '--name', 'wiki1', ...flags, SERVER_IMAGE);
    await until('it is heard of', async () => (await get('/status')).text.includes('services/wiki/frontend'));

    expect((await clusterf('explain', 'web1')).stdout).toMatch(
      /^web: registered as it should be\n +tcp 10\.107\.0\.1:80 /m,
    );
    const wiki = await clusterf('explain', 'wiki1');
    expect(wiki).toMatchObject({ code: 0, stderr: '' });
    expect(wiki.stdout).toContain(`wiki: frontend {"ipv4":"${VIP}"`);
    expect(wiki.stdout).toMatch(/^ +tcp 10\.107\.0\.1:80 +left out: .*service web/m);
    expect((await clusterf('explain', 'web/web1')).stdout).toMatch(/^web: registered\n/m);

    const findings: readonly { check: string; severity: string; found: string }[] = JSON.parse(
      (await clusterf('doctor', '-o', 'json')).stdout,
    );
    expect(findings.filter(({ check }) => ['etcd', 'permissions', 'options'].includes(check))).toEqual([
      {
        check: 'etcd',
        severity: 'ok',
        found: `none is needed: clusterf up, process ${up.pid}, keeps the tree in memory`,
      },
    ]);
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(['clusterf up', 'tree']));

    const plan = await clusterf('plan');
    expect(plan).toMatchObject({ code: 1, stdout: '' });
    const [, words = ''] =
      /by: clusterf (up --noop --once .*--allow-frontend=10\.107\.0\.0\/24.*)\n$/.exec(plan.stderr) ?? [];
    expect(await clusterf(...words.split(' '))).toMatchObject({ code: 0, stdout: 'nothing to do\n' });

    for (const from of [[], ['--kernel']])
      expect((await clusterf('top', '--once', ...from)).stdout).toMatch(/^web .*\n {2}web1 /m);
  });

  test('that was stopped is not blamed on somebody else, and keeps nobody waiting', async () => {
    process.kill(up.pid ?? 0, 'SIGSTOP');
    try {
      const { stdout } = await clusterf('doctor', '--quiet');
      expect(stdout).toMatch(
        new RegExp(`^fail +clusterf up +.*process ${up.pid}.* is stopped\n.*\n +\\$ kill -CONT ${up.pid} `, 'm'),
      );
      expect(await clusterf('top', '--once')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no answer within 5 s'),
      });
    } finally {
      process.kill(up.pid ?? 0, 'SIGCONT');
    }
  });

  test('takes a container that is stopped out at once, and its virtual address away when none is left', async () => {
    const [first, second] = [await web('web1'), await web('web2')];
    await inKernel({ [first]: 10, [second]: 10 });
    await using client = await answered(stack.client.netns);
    const stopping = stack.dockerd.docker('stop', 'web1');
    await inKernel({ [first]: 0, [second]: 10 });
    const drained = Date.now();
    await stopping;
    await inKernel({ [second]: 10 });
    await until('twenty answers more', () => client.answers(drained).length >= 20);
    expect(Object.keys(client.tally(drained))).toEqual(['web2']);
    expect(client.failures(drained)).toEqual([]);
    await stack.dockerd.docker('rm', '-f', 'web2');
    await until('nothing is left', async () => (await kernel.services()).length === 0 && !(await bound()));
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'restarted after %s under a long download changes nothing, and follows on',
    async (signal) => {
      const first = await web('web1');
      await inKernel({ [first]: 10 });
      await using download = new Download(stack.client.netns, VIP, 80);
      await until('the download runs', () => download.bytes > 0);
      expect(await up.stop(signal)).toBe(signal === 'SIGTERM' ? 0 : null);
      expect(await destinations()).toEqual({ [first]: 10 });
      up = stack.startUp(...ALLOWED);
      await ready();
      const before = download.bytes;
      await until('the download goes on', () => download.bytes > before + 1_000_000);
      expect(operations(up)).toEqual([]);
      await inKernel({ [first]: 10, [await web('web2')]: 10 });
      expect(download.bytes).toBeGreaterThan(before);
    },
  );

  test('takes out what ended while it was away, though nothing else is published', async () => {
    await inKernel({ [await web('web1')]: 10 });
    await up.stop();
    await removeContainers();
    up = stack.startUp(...ALLOWED);
    await until('nothing is left', async () => (await kernel.services()).length === 0);
    expect(up.logged('removals held back until the tree publishes something')).toEqual([]);
  });

  test('is not disturbed by a dockerd that restarts', async () => {
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    const done = operations(up).length;
    await using client = await answered(stack.client.netns);
    await stack.dockerd.stop('SIGKILL');
    await until('it knows', async () => (await status('docker', 'docker', 'state')) === 'unavailable');
    expect((await get('/readyz')).status).toBe(200);
    await stack.dockerd.start();
    await until('it is back', async () => (await status('docker', 'docker', 'state')) === 'current');
    expect(operations(up)).toHaveLength(done);
    expect(client.failures()).toEqual([]);
    await inKernel({ [first]: 10, [await web('web2')]: 10 });
  });

  test('started while Docker is away leaves the table as it is, says what it waits for, and goes on when Docker is back', async () => {
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    await up.stop();
    await stack.dockerd.stop();
    up = stack.startUp(...ALLOWED);
    const waiting = await until('it says so', async () => {
      const answer = await get('/readyz').catch(() => undefined);
      return answer?.text.includes('ENOENT') === true || answer?.text.includes('ECONNREFUSED') === true
        ? answer
        : undefined;
    });
    expect(waiting).toMatchObject({ status: 503, text: expect.stringContaining('docker has not been listed yet') });
    expect(await status('ipvs', 'sources')).toMatchObject([{ url: 'memory:', state: 'unread' }]);
    await using client = await answered(stack.client.netns);
    expect(await destinations()).toEqual({ [first]: 10 });
    await stack.dockerd.start();
    await ready();
    expect(operations(up)).toEqual([]);
    expect(client.failures()).toEqual([]);
    await inKernel({ [first]: 10, [await web('web2')]: 10 });
  });

  test('restarted while Docker is stuck on a container keeps what it had, and takes out what is dead', async () => {
    const [stuck, dead] = [await web('web1'), await web('web2')];
    await inKernel({ [stuck]: 10, [dead]: 10 });
    const id = await stack.dockerd.docker('inspect', '-f', '{{.Id}}', 'web1');
    await up.stop();
    await stack.dockerd.docker('rm', '-f', 'web2');
    await using proxy = await startDockerProxy(stack.dockerd.socketPath, (_method, { pathname }) =>
      pathname === `/containers/${id}/json` ? { type: 'hold', after: 0 } : PASS,
    );
    up = stack.startUp(...ALLOWED, '--docker-endpoint', proxy.endpoint);
    await inKernel({ [stuck]: 10 });
    expect(operations(up)).not.toContain('new destination');
    await using client = await answered(stack.client.netns);
    expect(client.failures()).toEqual([]);
    await up.stop();
    up = stack.startUp(...ALLOWED);
  });

  test('shows both agents at one port, each metric once', async () => {
    await inKernel({ [await web('web1')]: 10 });
    expect(await status('docker')).toMatchObject({
      host: 'docker1',
      tree: { url: 'memory:', claimed: true, settled: true },
    });
    expect(await status('ipvs')).toMatchObject({ balancer: 'docker1', ready: true, virtualServices: 1, problems: [] });
    expect(await status()).toMatchObject({ pid: up.pid, ready: true, problems: [] });
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    const lines = (await get('/metrics')).text.split('\n');
    const helped = lines.filter((line) => line.startsWith('# HELP')).map((line) => line.split(' ')[2]);
    expect(new Set(helped).size).toBe(helped.length);
    const series = lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.replace(/ \S+$/, ''));
    expect(new Set(series).size).toBe(series.length);
    expect(lines).toEqual(
      expect.arrayContaining([
        'clusterf_ready 1',
        'clusterf_docker_lease 1',
        'clusterf_docker_backends{service="web"} 1',
        'clusterf_ipvs_destinations 1',
        'clusterf_problems{source="docker"} 0',
        'clusterf_problems{source="memory:"} 0',
      ]),
    );
    expect(helped).toEqual(expect.arrayContaining(['process_resident_memory_bytes', 'clusterf_build_info']));
    const timed = lines.find((line) => line.startsWith('clusterf_docker_event_to_etcd_seconds_count'));
    expect(Number(timed?.split(' ')[1])).toBeGreaterThan(0);
  });

  test('refuses a second one, and a clusterf-ipvs, beside it, but has them look', async () => {
    await using second = stack.startUp(...ALLOWED);
    expect(await second.exit()).toBe(1);
    expect(second.text()).toContain(`process ${up.pid}, keeps this machine's IPVS table`);
    await using ipvs = stack.startIpvsAgent();
    expect(await ipvs.exit()).toBe(1);
    await inKernel({ [await web('web1')]: 10 });
    await using looking = stack.startUp(...ALLOWED, '--noop', '--once');
    expect(await looking.exit()).toBe(0);
    expect(looking.output).toBe('nothing to do\n');
  });

  test('takes frontends from files, which override what labels say', async () => {
    await up.stop();
    const tree = await mkdtemp(join(tmpdir(), 'clusterf-tree-'));
    const frontend = join(tree, 'services', 'web', 'frontend');
    await mkdir(dirname(frontend), { recursive: true });
    await writeFile(frontend, JSON.stringify({ ipv4: VIP, tcp: 81 }));
    up = stack.startUp('--config-source', `file://${tree}`);
    const first = await web('web1');
    await until('port 81 is balanced', async () => Object.hasOwn(await destinations(81), first));
    expect(await destinations()).toEqual({});
    await writeFile(frontend, JSON.stringify({ ipv4: VIP, tcp: 80 }));
    await inKernel({ [first]: 10 });
    await rm(tree, { recursive: true });
    // Files that are away are no reason to take anything out.
    await until('it is known', async () => JSON.stringify(await status('ipvs', 'sources')).includes('unavailable'));
    expect(await destinations()).toEqual({ [first]: 10 });
    await up.stop();
    up = stack.startUp(...ALLOWED);
  });

  test('with --exit-drain ends when it has taken new connections off everything', async () => {
    await up.stop();
    up = stack.startUp(...ALLOWED, '--exit-drain', '1s', '--exit-withdraw');
    await ready();
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    const ending = up.stop();
    await inKernel({ [first]: 0 });
    expect(await bound()).toBe(true);
    expect(await ending).toBe(0);
    expect(await bound()).toBe(false);
    up = stack.startUp(...ALLOWED);
    await inKernel({ [first]: 10 });
  });
});

test('once puts what runs into the kernel and ends', async () => {
  const first = await web('web1');
  await using applied = stack.startUp(...ALLOWED, '--once', '--print');
  expect(await applied.exit()).toBe(0);
  expect(await destinations()).toEqual({ [first]: 10 });
  expect(applied.output).toContain(VIP);
  await removeContainers();
  await using empty = stack.startUp(...ALLOWED, '--once', '--drain-timeout', '0');
  expect(await empty.exit()).toBe(0);
  expect(await kernel.services()).toEqual([]);
});

describe('with --etcd', () => {
  const PREFIX = '/clusterf/';
  const FRONTEND = `${PREFIX}services/web/frontend`;
  const BACKENDS = `${PREFIX}services/web/backends/`;

  afterEach(async () => {
    await up.stop('SIGKILL');
    await removeContainers();
    await stack.etcd.restartEmpty();
    await kernel.flush();
  });

  test('another machine’s clusterf-ipvs has the same services, and what this one does at its end shows there', async () => {
    await using other = await otherMachine();
    up = stack.startUp(...ALLOWED, '--etcd', stack.etcd.host, '--exit-flush');
    await using ipvs = new AgentProcess(
      'clusterf-ipvs',
      ['--config-source', `etcd://${other.etcd}/clusterf`, '--balancer-name', 'other', '--brake', 'off'],
      {},
      other.netns,
    );
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    await until('the other has it', async () => (await tableOf(other.netns)).includes(`-r ${first}`));
    expect(Object.keys(await stack.etcd.read(PREFIX)).map((key) => key.slice(PREFIX.length))).toEqual(
      expect.arrayContaining(['balancers/docker1/status', 'balancers/other/status', 'hosts/docker1/status']),
    );
    expect(await up.stop()).toBe(0);
    await until('the other has it no more', async () => !(await tableOf(other.netns)).includes(VIP));
    expect(await ipvs.stop()).toBe(0);
  });

  test('a machine that stood alone joins under a long download, and as a host tier of another balancer', async () => {
    await using other = await otherMachine();
    await stack.etcd.put(`${PREFIX}services/elsewhere/frontend`, JSON.stringify({ ipv4: '10.107.0.2', tcp: 80 }));
    up = stack.startUp(...ALLOWED);
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    await using download = new Download(stack.client.netns, VIP, 80);
    await until('the download runs', () => download.bytes > 0);
    await up.stop();
    const tier = ['--only-host', 'docker1', '--filter-routes', 'file:', '--host-address', '192.0.2.9'];
    const routes = ['--route-network', 'bridge', '--route-gateway4', 'host', '--route-ipvs-method', 'droute'];
    up = stack.startUp(...ALLOWED, '--etcd', stack.etcd.host, ...tier, ...routes);
    await ready();
    await inKernel({ [first]: 10 });
    await using edge = new AgentProcess(
      'clusterf-ipvs',
      ['--config-source', `etcd://${other.etcd}/clusterf`, '--balancer-name', 'edge'],
      {},
      other.netns,
    );
    // By this machine's address and the frontend's port, by direct routing.
    await until('the edge has it', async () => (await tableOf(other.netns)).includes('-r 192.0.2.9:80 -g'));
    const before = download.bytes;
    await until('the download goes on', () => download.bytes > before + 1_000_000);
    expect(await edge.stop()).toBe(0);
  });

  test('a restart loses nothing, though etcd and Docker are away meanwhile', async () => {
    up = stack.startUp(...ALLOWED, '--etcd', stack.etcd.host);
    const first = await web('web1');
    await inKernel({ [first]: 10 });
    await using client = await answered(stack.client.netns);
    await up.stop();
    await stack.etcd.stop();
    await stack.dockerd.stop();
    up = stack.startUp(...ALLOWED, '--etcd', stack.etcd.host);
    await until('it says so', async () => {
      const answer = await get('/readyz').catch(() => undefined);
      return answer?.text.startsWith('docker has not been listed yet') === true;
    });
    await stack.etcd.start();
    await stack.dockerd.start();
    await ready();
    expect(operations(up)).toEqual([]);
    expect(client.failures()).toEqual([]);
  });

  test('a host name that another living agent has ends the process, and nothing is taken away', async () => {
    await stack.etcd.put(FRONTEND, JSON.stringify({ ipv4: VIP, tcp: 80 }));
    await using docker = stack.startDockerAgent();
    const first = await web('web1');
    up = stack.startUp(...ALLOWED, '--etcd', stack.etcd.host, '--exit-withdraw', '--exit-flush');
    await inKernel({ [first]: 10 });
    expect(await up.exit()).toBe(1);
    expect(up.text()).toContain('no two agents can have the same name');
    expect(await destinations()).toEqual({ [first]: 10 });
    expect(await bound()).toBe(true);
    expect(Object.keys(await stack.etcd.read(BACKENDS))).toHaveLength(1);
    await docker.stop();
  });
});
