// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import { type Exposition, readExposition } from '../../ipvs-agent/test/exposition.js';
import { PATIENCE } from './observer.js';

let dockerd: Dockerd;
let etcd: EtcdProcess;

beforeAll(async () => {
  [dockerd, etcd] = await Promise.all([startDockerd(), startEtcd()]);
});
afterAll(async () => {
  await Promise.all([dockerd[Symbol.asyncDispose](), etcd[Symbol.asyncDispose]()]);
});

function agent(tree: string, ...args: readonly string[]): AgentProcess {
  return new AgentProcess('clusterf-docker', [
    `--config-source=etcd://${etcd.host}/${tree}`,
    `--docker-endpoint=${dockerd.endpoint}`,
    '--host-name=host1',
    ...args,
  ]);
}

function run(service: string, ...args: readonly string[]): Promise<string> {
  const labels = ['--label', `clusterf.service=${service}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer([...labels, ...args]);
}

/** An agent on a port of its own, once it listens. */
async function served(of: AgentProcess): Promise<(path: string) => Promise<Response>> {
  const { address } = await of.waitFor('listening for HTTP', { deadline: PATIENCE });
  return async (path) => await fetch(`http://${String(address)}${path}`);
}

async function scrape(get: (path: string) => Promise<Response>): Promise<Exposition> {
  return readExposition(await (await get('/metrics')).text());
}

describe('an agent that runs', () => {
  test('shows what it has registered, and how long that took from the event on', async () => {
    await using first = agent('shows', '--http-listen=127.0.0.1:0');
    const get = await served(first);
    await until('it is ready', async () => (await get('/readyz')).ok, PATIENCE);
    const id = await run('shows', '--env', 'PASSWORD=verysecret', '--label', 'token=verysecret');
    await run('shows', '--label', 'clusterf.backend.weight=heavy');
    const backends = async () => (await scrape(get)).value('clusterf_docker_backends', { service: 'shows' });
    await until('both are registered', async () => (await backends()) === 2, PATIENCE);
    await until('both are written', async () => (await scrape(get)).value('clusterf_docker_settled') === 1, PATIENCE);
    const now = await scrape(get);
    expect(now.value('clusterf_ready')).toBe(1);
    expect(now.value('clusterf_docker_up')).toBe(1);
    expect(now.value('clusterf_docker_lease')).toBe(1);
    expect(now.value('clusterf_problems', { source: 'docker' })).toBe(1);
    expect(now.value('clusterf_docker_events_total', { type: 'container', action: 'start' })).toBeGreaterThan(1);
    expect(now.value('clusterf_docker_inspects_total', { outcome: 'failed' })).toBe(0);
    expect(now.value('clusterf_docker_event_to_etcd_seconds_count')).toBe(2);
    expect(now.value('clusterf_docker_event_to_etcd_seconds_sum')).toBeLessThan(60);

    const status = await (await get('/status')).text();
    expect(JSON.parse(status)).toMatchObject({
      host: 'host1',
      pid: first.pid,
      ready: true,
      docker: { endpoint: dockerd.endpoint, state: 'current' },
      tree: { claimed: true, settled: true },
      containers: { running: 2 },
      services: [{ service: 'shows', backends: 2 }],
      problems: [expect.objectContaining({ source: 'docker' })],
    });
    expect(status + (await (await get('/metrics')).text())).not.toContain('verysecret');

    await dockerd.docker('kill', '--signal', 'TERM', id);
    const draining = async () => (await scrape(get)).value('clusterf_docker_containers', { state: 'draining' });
    await until('it drains', async () => (await draining()) === 1, PATIENCE);
    await until(
      'that it does is written',
      async () => (await scrape(get)).value('clusterf_docker_event_to_etcd_seconds_count') === 3,
      PATIENCE,
    );
  });

  test('says that Docker is away, is alive all the same, and that it is back', async () => {
    await using first = agent('back', '--http-listen=127.0.0.1:0');
    const get = await served(first);
    await until('it is ready', async () => (await get('/readyz')).ok, PATIENCE);
    await dockerd.stop();
    await until('it knows', async () => (await scrape(get)).value('clusterf_docker_up') === 0, PATIENCE);
    expect((await scrape(get)).value('clusterf_docker_event_stream_losses_total')).toBeGreaterThan(0);
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    await until('it says why', async () =>
      /docker\.sock/.test(JSON.parse(await (await get('/status')).text()).docker.error),
    );
    await dockerd.start();
    await until('it is back', async () => (await scrape(get)).value('clusterf_docker_up') === 1, PATIENCE);
  });

  test('is not ready before etcd has answered, and says what it waits for', async () => {
    await using first = new AgentProcess('clusterf-docker', [
      '--config-source=etcd://127.0.0.1:1/never',
      `--docker-endpoint=${dockerd.endpoint}`,
      '--http-listen=127.0.0.1:0',
    ]);
    const get = await served(first);
    await until('docker is listed', async () => (await scrape(get)).value('clusterf_docker_up') === 1, PATIENCE);
    await until('etcd failed', async () => (await scrape(get)).value('clusterf_docker_etcd_up') === 0, PATIENCE);
    const ready = await get('/readyz');
    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/^not all that runs is registered yet: .*127\.0\.0\.1:1/);
    expect((await scrape(get)).value('clusterf_docker_etcd_failures_total')).toBeGreaterThan(0);
    expect((await scrape(get)).value('clusterf_docker_lease')).toBe(0);
  });

  test('registers though its port is taken, and says so', async () => {
    const other = createServer();
    const port = await listen(other);
    try {
      await run('taken');
      await using first = agent('taken', `--http-listen=127.0.0.1:${port}`);
      await first.waitFor('registered', { deadline: PATIENCE });
      expect(first.log).toContainEqual(
        expect.objectContaining({ level: 'warn', source: 'http', key: `127.0.0.1:${port}` }),
      );
    } finally {
      other.close();
    }
  });
});

describe('beside an agent that runs', () => {
  test('--once --print prints the same, --explain explains, and the name stays the agent’s', async () => {
    const id = await run('beside');
    await using first = agent('beside', '--ttl=2s');
    const key = `services/beside/backends/${id}`;
    await until('it is registered', async () => (await etcd.read('/beside/'))[`/beside/${key}`], PATIENCE);
    const { '/beside/hosts/host1/status': claim, [`/beside/${key}`]: value } = await etcd.read('/beside/');
    const versions = async () => [
      await etcd.version('/beside/hosts/host1/status'),
      await etcd.version(`/beside/${key}`),
    ];
    const before = await versions();

    await using printing = agent('beside', '--ttl=2s', '--once', '--print');
    await using explaining = agent('beside', '--explain', id);
    expect(await explaining.exit()).toBe(0);
    expect(explaining.output).toContain(value);
    expect(await printing.exit()).toBe(0);
    expect(printing.output).toContain(`${key} ${value}\n`);
    expect(printing.logged('printed, and left to the agent that has this host name')).toHaveLength(1);
    expect([...printing.log, ...explaining.log].filter(({ message }) => message === 'listening for HTTP')).toEqual([]);

    expect(await versions()).toEqual(before);
    expect((await etcd.read('/beside/'))['/beside/hosts/host1/status']).toBe(claim);
    expect(first.logged('registration changed by somebody else, and put right')).toEqual([]);
  });

  test('--once without --print is refused: it would register', async () => {
    await using first = agent('refused', '--ttl=2s');
    await until('it has the name', async () => (await etcd.read('/refused/'))['/refused/hosts/host1/status'], PATIENCE);
    await using second = agent('refused', '--ttl=2s', '--once');
    expect(await second.exit()).toBe(1);
    expect(second.log.at(-1)).toMatchObject({ code: 'ERR_CLAIMED' });
    expect(first.pid).toBeDefined();
  });
});
