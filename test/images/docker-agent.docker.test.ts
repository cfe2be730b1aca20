/** The docker-agent as docs/images.md has it run: what it may, how it ends, how its health is asked for. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.js';
import { until } from '../fixtures/until.js';
import { buildImage } from './build.js';
import { Container } from './container.js';

const IMAGE = 'clusterf';
/** No user of the machine's: as the Dockerfile says. */
const USER = 65532;
/** As docs/images.md has it. */
const CONFINED = ['--network', 'host', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
const HEALTHCHECK = '/usr/lib/clusterf/healthcheck.cjs';
/** Milliseconds; generous, for a kernel that is a program. */
const PATIENCE = 60_000;

let dockerd: Dockerd;
let etcd: EtcdProcess;
let group: number;

beforeAll(async () => {
  // Containers on the host's network are to reach this process's etcd.
  dockerd = await startDockerd({ netns: '/proc/self/ns/net' });
  await buildImage(dockerd, IMAGE);
  etcd = await startEtcd();
  group = (await stat(dockerd.socketPath)).gid;
}, 600_000);
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await dockerd[Symbol.asyncDispose]();
});

/** As docs/images.md has it. @param options what is asked of Docker beside that */
async function agent(name: string, options: readonly string[], ...words: readonly string[]): Promise<Container> {
  const socket = ['--volume', `${dockerd.socketPath}:/var/run/docker.sock`, '--group-add', String(group)];
  const flags = [...CONFINED, ...socket, '--health-interval', '1s', ...options];
  const source = ['--config-source', `etcd://${etcd.host}/${name}`];
  return await Container.run(dockerd, name, ...flags, IMAGE, 'clusterf-docker', ...source, ...words);
}

async function backends(tree: string): Promise<string[]> {
  return Object.keys(await etcd.read(`/${tree}/services/web/backends/`));
}

/** Starts a container of service `web`. @returns its id */
async function web(): Promise<string> {
  return await dockerd.runContainer(['--label', 'clusterf.service=web', '--label', 'clusterf.backend.tcp=80']);
}

describe('the docker-agent in a container', () => {
  test('registers another one, as no root, without a capability, with nothing to write to', async () => {
    await using container = await agent('unprivileged', []);
    const id = await web();
    const key = `/unprivileged/services/web/backends/${id}`;
    await until('it is registered', async () => (await backends('unprivileged')).includes(key), PATIENCE);
    expect(await container.privileges()).toEqual({ uid: USER, effective: '0', bounding: '0', noNewPrivileges: true });
    await dockerd.docker('rm', '--force', id);
    await until('it is gone', async () => (await backends('unprivileged')).length === 0, PATIENCE);
  });

  test('ends with 0 soon after docker stop, and leaves what it registered to its successor', async () => {
    await using container = await agent('stopped', []);
    const id = await web();
    await until('it is registered', async () => (await backends('stopped')).length > 0, PATIENCE);
    const { exitCode, took } = await container.stop();
    expect(exitCode).toBe(0);
    expect(took).toBeLessThan(2000);
    expect(await backends('stopped')).toHaveLength(1);
    await dockerd.docker('rm', '--force', id);
  });

  test('goes on after dockerd has been restarted under live-restore, where it has the directory of the socket', async () => {
    // As it is with /run.
    await chmod(dirname(dockerd.socketPath), 0o711);
    const directory = ['--volume', `${dirname(dockerd.socketPath)}:/docker`];
    await using container = await agent('restarted', directory, '--docker-endpoint', 'unix:///docker/docker.sock');
    await container.healthIs('healthy');
    await dockerd.stop();
    await dockerd.start();
    const id = await web();
    await until('it is registered', async () => (await backends('restarted')).length > 0, PATIENCE);
    expect(await backends('restarted')).toEqual([expect.stringContaining(id)]);
    await dockerd.docker('rm', '--force', id);
  });

  describe('is asked for its health', () => {
    let directory: string;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clusterf-options-'));
      await chmod(directory, 0o755);
      await writeFile(join(directory, 'docker.json'), JSON.stringify({ 'http-listen': ':19783' }));
    });
    afterAll(async () => {
      await rm(directory, { recursive: true });
    });

    test.each([
      ['where it listens by default', [], []],
      ['where its command line says', ['--env', 'CLUSTERF_HTTP_LISTEN=127.0.0.1:1'], ['--http-listen', '[::1]:19781']],
      ['where its environment says', ['--env', 'CLUSTERF_HTTP_LISTEN=localhost:19782'], []],
      ['where its file says', ['--volume', 'FILES:/etc/clusterf:ro'], ['--config=/etc/clusterf/docker.json']],
    ])('%s', async (_where, options, words) => {
      const mounted = options.map((option) => option.replace('FILES', directory));
      await using container = await agent('asked', mounted, ...words);
      await container.healthIs('healthy');
      expect(await container.inspect('{{(index .State.Health.Log 0).Output}}')).toBe('ok');
    });

    test('in vain, and is unhealthy, when it does not answer', async () => {
      await using container = await agent('silent', ['--health-retries', '1']);
      await container.healthIs('healthy');
      process.kill(Number(await container.inspect('{{.State.Pid}}')), 'SIGSTOP');
      await container.healthIs('unhealthy');
      expect(await container.inspect('{{json .State.Health.Log}}')).toContain('no answer in 4000 ms');
    });

    test('not at all, where it answers nobody', async () => {
      await using container = await agent('unasked', [], '--http-listen', 'none');
      await container.healthIs('healthy');
      expect(await container.exec('node', HEALTHCHECK)).toBe('not asked: --http-listen none');
    });

    test('at the cost of some 50 MB for a moment', async () => {
      await using container = await agent('measured', []);
      await container.healthIs('healthy');
      const code = `process.on('exit', () => console.log(process.resourceUsage().maxRSS)); require('${HEALTHCHECK}')`;
      const [answer, kilobytes] = (await container.exec('node', '-e', code)).split('\n');
      expect(answer).toBe('ok');
      expect(Number(kilobytes)).toBeLessThan(60_000);
    });
  });
});
