import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Certificates, makeCertificates } from '../../../test/fixtures/certificates.js';
import { isSubscription, PASS, type Rule, startDockerProxy } from '../../../test/fixtures/docker-proxy.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import { PATIENCE } from './observer.js';

let etcd: EtcdProcess;

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

function run(dockerd: Dockerd, service: string, ...args: readonly string[]): Promise<string> {
  const labels = ['--label', `clusterf.service=${service}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', service, ...labels, ...args]);
}

async function weight(tree: string, service: string): Promise<unknown> {
  const [text] = Object.values(await etcd.read(`/${tree}/services/${service}/backends/`));
  return text === undefined ? undefined : JSON.parse(text).weight;
}

async function hasWeight(tree: string, service: string, expected: number | undefined): Promise<void> {
  await until(`${service} has weight ${expected}`, async () => (await weight(tree, service)) === expected, PATIENCE);
}

/** As the usual socket proxies do it: by the method and the first part of the path. */
const readOnly: Rule = (method, { pathname }) =>
  method === 'GET' && /^\/(version|info|events|containers|networks)(\/|$)/.test(pathname)
    ? PASS
    : { type: 'refuse', status: 403 };

describe('through a proxy to the socket', () => {
  let dockerd: Dockerd;

  beforeAll(async () => {
    dockerd = await startDockerd();
  });
  afterAll(async () => {
    await dockerd[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const ids = await dockerd.docker('ps', '--all', '--quiet');
    if (ids !== '') await dockerd.docker('rm', '--force', ...ids.split('\n'));
  });

  test('that lets only GET of events, containers and networks pass, the agent does all its work', async () => {
    await using proxy = await startDockerProxy(dockerd.socketPath, readOnly);
    await using agent = new AgentProcess('clusterf-docker', [
      `--config-source=etcd://${etcd.host}/readonly`,
      `--docker-endpoint=${proxy.endpoint}`,
      '--route-network=bridge',
      '--route-ipvs-method=masq',
      '--min-uptime=1s',
    ]);
    const id = await run(dockerd, 'web');
    await hasWeight('readonly', 'web', 10);
    await dockerd.docker('kill', '--signal', 'TERM', id);
    await hasWeight('readonly', 'web', 0);
    await dockerd.docker('rm', '--force', id);
    await hasWeight('readonly', 'web', undefined);
    expect(Object.keys(await etcd.read('/readonly/routes/'))).toHaveLength(1);
    expect(agent.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    const asked = new Set(proxy.requests.map((line) => line.replace(/[0-9a-f]{64}/, 'ID')));
    expect(asked).toEqual(new Set(['GET /events', 'GET /containers/json', 'GET /containers/ID/json', 'GET /networks']));
  });

  test('that lets nothing pass, it is said what is refused, and by what words', async () => {
    await using proxy = await startDockerProxy(dockerd.socketPath, () => ({ type: 'refuse', status: 403 }));
    await using agent = new AgentProcess('clusterf-docker', ['--noop', `--docker-endpoint=${proxy.endpoint}`]);
    const { error } = await agent.waitFor('docker unavailable: nothing is registered until it answers');
    expect(error).toMatchObject({ message: expect.stringContaining('docker answers 403 to GET /events: ') });
  });

  test('what containers keep secret is in no log, not at debug level, not when Docker’s answers break', async () => {
    await using proxy = await startDockerProxy(dockerd.socketPath);
    await using agent = new AgentProcess('clusterf-docker', [
      `--config-source=etcd://${etcd.host}/secrets`,
      `--docker-endpoint=${proxy.endpoint}`,
      '--log-level=debug',
      '--print',
    ]);
    const secrets = ['--env', 'PASSWORD=hunter2', '--label', 'token=hunter2', '--label', 'clusterf.backend.weight=x'];
    const id = await run(dockerd, 'web', ...secrets);
    await hasWeight('secrets', 'web', 10);

    const half = { type: 'garble', after: 0, text: 'nter2","secret":"hunter2"}\n' } as const;
    let faults = 3;
    proxy.rule = (_method, url) => {
      const isBroken = (isSubscription(url) || url.pathname.startsWith('/containers')) && faults > 0;
      if (isBroken) faults -= 1;
      return isBroken ? half : PASS;
    };
    proxy.cut();
    await dockerd.docker('kill', '--signal', 'TERM', id);
    await hasWeight('secrets', 'web', 0);
    await dockerd.docker('rm', '--force', id);
    await hasWeight('secrets', 'web', undefined);
    await agent.stop();
    expect(faults).toBe(0);
    expect(agent.text()).toContain('is not a weight');
    expect(agent.text() + agent.output).not.toContain('nter2');
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  const free = await listen(server);
  server.close();
  await once(server, 'close');
  return free;
}

describe('by TLS', () => {
  let directory: string;
  let certificates: Certificates;
  let dockerd: Dockerd;
  let port: number;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'certificates-'));
    certificates = await makeCertificates(directory);
    port = await freePort();
    const { server } = certificates;
    dockerd = await startDockerd({
      // Where the agent is, or it would have no way to a port of it.
      netns: `/proc/${process.pid}/ns/net`,
      args: [
        `--host=tcp://127.0.0.1:${port}`,
        '--tlsverify',
        ...['ca', 'cert', 'key'].map(
          (name) => `--tls${name === 'ca' ? 'cacert' : name}=${join(server, `${name}.pem`)}`,
        ),
      ],
    });
  });
  afterAll(async () => {
    await dockerd[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  function agent(tree: string, env: Readonly<Record<string, string>>): AgentProcess {
    const source = `--config-source=etcd://${etcd.host}/${tree}`;
    return new AgentProcess('clusterf-docker', [source], { DOCKER_HOST: `tcp://127.0.0.1:${port}`, ...env });
  }

  test('with Docker’s own variables and certificates the agent does its work', async () => {
    await using first = agent('tls', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates.client });
    const id = await run(dockerd, 'web');
    await hasWeight('tls', 'web', 10);
    await dockerd.docker('rm', '--force', id);
    await hasWeight('tls', 'web', undefined);
    expect(first.logged('docker unavailable: nothing is registered until it answers')).toEqual([]);
  });

  test('without the certificates it was told of, it does not start', async () => {
    await using first = agent('refused', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nowhere' });
    expect(await first.exit()).toBe(3);
    expect(first.text()).toContain('/nowhere/ca.pem');
  });

  test('without TLS it says why it cannot', async () => {
    await using first = agent('refused', {});
    const { error } = await first.waitFor('docker unavailable: nothing is registered until it answers');
    const message = 'docker answers 400 to GET /events: Client sent an HTTP request to an HTTPS server.';
    expect(error).toMatchObject({ message });
  });

  test('a Docker whose certificate is of another authority is not believed', async () => {
    const others = await makeCertificates(join(directory, 'others'));
    await using first = agent('stranger', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: others.client });
    const { error } = await first.waitFor('docker unavailable: nothing is registered until it answers');
    expect(JSON.stringify(error)).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE|SELF_SIGNED/);
  });
});

test.each([
  ['--docker-endpoint=ssh://host1', {}, 2],
  ['--once', { DOCKER_HOST: 'ssh://host1' }, 3],
])('ssh is refused with what to do instead: %s %j', async (argument, env, code) => {
  await using agent = new AgentProcess('clusterf-docker', [argument, '--noop'], env);
  expect(await agent.exit()).toBe(code);
  expect(agent.text()).toContain('ssh -nNT -L /run/docker-remote.sock:/var/run/docker.sock HOST');
});
