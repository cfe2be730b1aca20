import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../../test/fixtures/agent.js';
import { type Dockerd, startDockerd } from '../../../../test/fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { until } from '../../../../test/fixtures/until.js';
import { projectRoot } from '../../../../test/lab/index.js';
import { clusterf } from '../clusterf.js';

let dockerd: Dockerd;
let etcd: EtcdProcess;
let agent: AgentProcess;
let id: string;

beforeAll(async () => {
  [dockerd, etcd] = await Promise.all([startDockerd(), startEtcd()]);
  await etcd.put('/clusterf/services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80,"udp":53}');
  await etcd.put('/clusterf/routes/lan', '{"Prefix":"172.16.0.0/12","IPVSMethod":"droute","Gateway":"192.0.2.1"}');
});
afterAll(async () => {
  await Promise.all([dockerd[Symbol.asyncDispose](), etcd[Symbol.asyncDispose]()]);
});

beforeEach(async () => {
  agent = new AgentProcess('clusterf-docker', [...options(), '--http-listen', 'none']);
  const labels = ['--label', 'clusterf.service=web mail', '--label', 'clusterf.backend:web.tcp=8080'];
  id = await dockerd.runContainer(['--name', 'web-1', ...labels]);
  await until(
    'it is registered',
    async () => Object.keys(await etcd.read('/clusterf/services/web/backends/')).length === 1,
  );
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await dockerd.docker('rm', '--force', 'web-1');
  for (const path of ['services/web/backends/', 'hosts/', 'drain/'])
    for (const key of Object.keys(await etcd.read(`/clusterf/${path}`))) await etcd.remove(key);
});

function options(source = `etcd://${etcd.host}/clusterf`): readonly string[] {
  return ['--config-source', source, '--docker-endpoint', dockerd.endpoint, '--host-name', 'docker1'];
}

async function explain(...args: readonly string[]) {
  const { code, stdout, stderr } = await clusterf(['explain', ...options(), ...args]);
  return { code, stderr, lines: stdout.trimEnd().split('\n') };
}

describe('a container', () => {
  test('is explained by its labels, by what is in the tree, and by what balancers make of that', async () => {
    const { code, stderr, lines } = await explain('web-1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines[0]).toBe(`web-1 (${id.slice(0, 12)})`);
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^web: backend \{"ipv4":"172\./),
        `  in the tree: services/web/backends/${id}`,
        expect.stringMatching(/^mail: no backend: /),
      ]),
    );
    const tree = lines.slice(lines.indexOf(`In the tree, etcd+http://${etcd.host}/clusterf:`) + 2);
    expect(tree).toEqual([
      expect.stringMatching(/^web: registered as it should be; its lease has \d s left$/),
      '  tcp 10.0.0.1:80  -> 192.0.2.1:80  droute  weight 10  by route lan',
      '  udp 10.0.0.1:53  left out: it has no udp port',
      '',
      'mail: not registered, and it should not be',
    ]);
  });

  test('whose registration somebody took away is told of while the agent hangs', async () => {
    process.kill(agent.pid ?? 0, 'SIGSTOP');
    try {
      await etcd.remove(`/clusterf/services/web/backends/${id}`);
      expect((await explain('web-1')).lines).toContain('web: not registered, and it should be');
    } finally {
      process.kill(agent.pid ?? 0, 'SIGCONT');
    }
  });

  test('of a drained host says so', async () => {
    await etcd.put('/clusterf/drain/hosts/docker1', '{"reason":"disk"}');
    const { lines } = await explain('web-1');
    expect(lines).toContain('  drained (host docker1): it takes no new connections until it is undrained');
    expect(lines).toContain('  tcp 10.0.0.1:80  -> 192.0.2.1:80  droute  weight 0  by route lan');
  });

  test('is explained by other options than its agent runs with, which then shows', async () => {
    const { lines } = await explain('--require-exposed', 'web-1');
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^web: registered, and it should not be/)]));
  });

  test('is explained without a tree as far as that goes', async () => {
    const away = options('etcd://127.0.0.1:9/clusterf');
    const { code, stdout } = await clusterf(['explain', ...away, 'web-1']);
    expect(code).toBe(0);
    expect(stdout).toContain('web: backend {');
    expect(stdout).toContain(
      'the tree cannot be read, so whether it is registered is not known: etcd 127.0.0.1:9 does not answer (connect ECONNREFUSED)\n',
    );
  });

  test('is explained to programs as data', async () => {
    const { lines } = await explain('-o', 'json', 'web-1');
    expect(JSON.parse(lines.join('\n'))).toMatchObject({
      container: { id, name: 'web-1', services: [{ service: 'web' }, { service: 'mail' }] },
      tree: {
        backends: [
          { service: 'web', hasFrontend: true, plan: { places: [{ virtualService: 'tcp 10.0.0.1:80' }, {}] } },
          { service: 'mail', hasFrontend: false },
        ],
      },
    });
  });

  test('is not shown to who may not ask Docker, who is told who may', async () => {
    await chmod(dirname(dockerd.socketPath), 0o755);
    const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const ended = promisify(execFile)('setpriv', [...nobody, process.execPath, bin, 'explain', ...options(), 'web-1']);
    await expect(ended).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^clusterf explain: connect EACCES .*: this user may not ask Docker: run it as root, .*docker/,
      ),
    });
  });

  test('that Docker has not is told in one line', async () => {
    expect(await explain('nothing')).toMatchObject({
      code: 1,
      stderr: 'clusterf explain: Docker has no container "nothing"\n',
    });
  });
});

describe('a backend of any host', () => {
  test('is found by its service and its container, or the beginning of its name, without asking Docker', async () => {
    for (const name of ['web-1', id.slice(0, 6)]) {
      const where = ['--config-source', `etcd://${etcd.host}/clusterf`, '--docker-endpoint', 'unix:///nowhere'];
      const { code, stdout } = await clusterf(['explain', ...where, `web/${name}`]);
      expect(code).toBe(0);
      expect(stdout.split('\n').slice(0, 3)).toEqual([
        `services/web/backends/${id} in etcd+http://${etcd.host}/clusterf`,
        '',
        expect.stringMatching(/^web: registered; its lease has \d s left$/),
      ]);
    }
  });

  test('that there is none of is told with those there are', async () => {
    const { code, stderr } = await explain('web/nothing');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^clusterf explain: service web has no backend "nothing" in .*; there is ${id}\n$`),
    );
  });
});
