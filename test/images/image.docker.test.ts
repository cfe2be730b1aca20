import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.js';
import { until } from '../fixtures/until.js';
import { projectRoot } from '../lab/index.js';
import { importBase } from './base.js';
import { BASE, buildImage } from './build.js';
import { composeOn } from './compose.js';
import { Container } from './container.js';

const run = promisify(execFile);

const IMAGE = 'clusterf';
/** No user of the machine's: as the Dockerfile says. */
const USER = 65532;
/** As docs/images.md has them. */
const HARDENED = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
const HEALTHCHECK = '/usr/lib/clusterf/healthcheck.cjs';
/** Milliseconds; generous, for a kernel that is a program. */
const PATIENCE = 60_000;

let dockerd: Dockerd;

beforeAll(async () => {
  // Containers on the host's network are to reach this process's etcd.
  dockerd = await startDockerd({ netns: '/proc/self/ns/net' });
  await buildImage(dockerd, IMAGE);
}, 600_000);
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

/** Every file in the image as `tar -tv` lists it. */
async function filesOf(image: string): Promise<string[]> {
  const container = await dockerd.docker('create', image);
  const { stdout } = await run('sh', ['-c', 'docker --host "$0" export "$1" | tar -tv', dockerd.endpoint, container]);
  await dockerd.docker('rm', container);
  return stdout.trim().split('\n').map(lasting);
}

/** Without the time, and the size of what V8 makes a little different every time. */
function lasting(line: string): string {
  return line.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d/, '').replace(/\d+(?= \S*\.compiled$)/, '');
}

/** Of every command, as `tar -tv` lists it. */
async function commandLinks(): Promise<string[]> {
  const { stdout } = await run('ls', [join(projectRoot(), 'packages', 'cli', 'bin')]);
  const names = stdout.trim().split('\n');
  return names.map((name) => `usr/bin/${name.replace('.cjs', '')} -> ../lib/clusterf/command`);
}

/** Starts a container of service `web`. @returns its id */
async function web(): Promise<string> {
  return await dockerd.runContainer(['--label', 'clusterf.service=web', '--label', 'clusterf.backend.tcp=80']);
}

describe('the image', () => {
  test('is built alike by BuildKit', async () => {
    await buildImage(dockerd, 'clusterf-buildkit', 'BuildKit');
    expect(await filesOf('clusterf-buildkit')).toEqual(await filesOf(IMAGE));
  });

  test('is built alike by docker-compose', async () => {
    await importBase(dockerd, BASE);
    await composeOn(dockerd, { CLUSTERF_IMAGE: 'clusterf-compose', BASE, PREBUILT: '1' })('build');
    expect(await filesOf('clusterf-compose')).toEqual(await filesOf(IMAGE));
  });

  test('has Node, a shell, the commands and what they load, and nothing else', async () => {
    const files = await filesOf(IMAGE);
    const paths = files.map((line) => / \d+ (.*)$/.exec(line)?.[1] ?? '');
    const programs = paths.filter((path) => /^(usr\/)?s?bin\/./.test(path));
    expect(programs.toSorted()).toEqual(
      ['bin/sh', 'usr/bin/env', 'usr/bin/node', ...(await commandLinks())].toSorted(),
    );
    const modules = paths.filter((path) => path.includes('node_modules/') && !path.endsWith('/'));
    expect(modules).toEqual([
      'usr/lib/clusterf/node_modules/netlink/package.json',
      `usr/lib/clusterf/node_modules/netlink/prebuilds/linux-${process.arch}/node.napi.node`,
    ]);
    expect(paths.filter((path) => /\.tsx?$|npm|\/src\//.test(path))).toEqual([]);
    const setuid = files.filter((line) => /^.{3}[sS]|^.{6}[sS]/.test(line));
    expect(setuid).toEqual([]);
  });

  test.each(['clusterf', 'clusterf-config', 'clusterf-docker', 'clusterf-ipvs'])(
    'runs %s by its name',
    async (command) => {
      const flags = ['--rm', '--network', 'none', ...HARDENED];
      expect(await dockerd.docker('run', ...flags, IMAGE, command, '--version')).toMatch(new RegExp(`^${command} \\d`));
    },
  );

  test('says what there is when it is given no command', async () => {
    expect(await dockerd.docker('run', '--rm', IMAGE)).toContain('clusterf COMMAND');
  });

  test('has its commands’ compiled code from its own Node, which takes it', async () => {
    const take = `
      const { readFileSync, readdirSync } = require('node:fs');
      const bundles = '/usr/lib/clusterf/bundles/';
      for (const name of readdirSync(bundles).filter((file) => file.endsWith('.cjs'))) {
        const source = require('node:module').Module.wrap(readFileSync(bundles + name, 'latin1'));
        const script = new (require('node:vm').Script)(source, { cachedData: readFileSync(bundles + name + '.compiled') });
        console.log(name, script.cachedDataRejected ? 'rejected' : 'taken');
      }`;
    const [firstLine = ''] = (
      await readFile(join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs'), 'utf8')
    ).split('\n');
    const flags = firstLine.split(' ').filter((word) => word.startsWith('--'));
    const taken = await dockerd.docker('run', '--rm', IMAGE, 'node', ...flags, '-e', take);
    expect(taken.split('\n').filter((line) => !line.endsWith(' taken'))).toEqual([]);
    expect(taken).toContain('clusterf-ipvs.cjs taken');
  });

  test('is labelled with the version of its commands, and run by no root', async () => {
    const { version } = JSON.parse(await readFile(join(projectRoot(), 'packages', 'cli', 'package.json'), 'utf8'));
    const [config] = JSON.parse(await dockerd.docker('image', 'inspect', IMAGE));
    expect(config.Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'clusterf',
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.version': version,
    });
    expect(config.Config.User).toBe(`${USER}:${USER}`);
  });

  test('is little more than Node', async () => {
    const size = Number(await dockerd.docker('image', 'inspect', '--format', '{{.Size}}', IMAGE));
    const node = (await stat(process.execPath)).size;
    expect((size - node) / 1e6).toBeLessThan(40);
  });
});

describe('the docker-agent in a container', () => {
  let etcd: EtcdProcess;
  let group: number;

  beforeAll(async () => {
    etcd = await startEtcd();
    group = (await stat(dockerd.socketPath)).gid;
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  /** As docs/images.md has it. @param options what is asked of Docker beside that */
  async function agent(name: string, options: readonly string[], ...words: readonly string[]): Promise<Container> {
    const socket = ['--volume', `${dockerd.socketPath}:/var/run/docker.sock`, '--group-add', String(group)];
    const flags = ['--network', 'host', ...HARDENED, ...socket, '--health-interval', '1s', ...options];
    const source = ['--config-source', `etcd://${etcd.host}/${name}`];
    return await Container.run(dockerd, name, ...flags, IMAGE, 'clusterf-docker', ...source, ...words);
  }

  async function backends(tree: string): Promise<string[]> {
    return Object.keys(await etcd.read(`/${tree}/services/web/backends/`));
  }

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
