/** A docker-agent as the user that `clusterf etcd-roles` makes for it: over TLS, with a password, by JWT that end soon. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { etcdTlsFlags, type KeyPair, makeAuthority } from '../../../test/fixtures/certificates.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { JWT, leaks, processOf, secretsOf } from '../../../test/fixtures/secrets.js';
import { until } from '../../../test/fixtures/until.js';
import { PATIENCE } from '../../docker-agent/test/observer.js';
import { askForUsers, ROOT } from '../../store/test/users.js';
import { applyRoles } from './roles.js';

const USER = 'clusterf-docker-docker1';
const CAST = ['--host=docker1', '--host=docker2', '--service=web'];

let dockerd: Dockerd;
let etcd: EtcdProcess;
let directory: string;
let ca: string;
let client: KeyPair;
let containers: Readonly<Record<'web' | 'db', string>>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-roles-'));
  const authority = await makeAuthority(join(directory, 'authority'));
  ca = authority.ca;
  client = await authority.issue('any', { use: 'clientAuth' });
  const server = await authority.issue('etcd', { names: 'IP:127.0.0.1', use: 'serverAuth,clientAuth' });
  const [key, pub] = [join(directory, 'jwt.pem'), join(directory, 'jwt.pub')];
  await promisify(execFile)('openssl', ['genrsa', '-out', key, '2048']);
  await promisify(execFile)('openssl', ['rsa', '-in', key, '-pubout', '-out', pub]);
  const jwt = `jwt,pub-key=${pub},priv-key=${key},sign-method=RS256,ttl=1s`;
  etcd = await startEtcd(...etcdTlsFlags(server, ca), '--auth-token', jwt);
  await applyRoles(etcd, directory, CAST);
  await askForUsers(etcd);
  dockerd = await startDockerd();
  const run = async (service: string) =>
    await dockerd.runContainer(
      [`service=${service}`, 'backend.tcp=80', 'frontend.ipv4=10.107.0.1', 'frontend.tcp=80'].flatMap((label) => [
        '--label',
        `clusterf.${label}`,
      ]),
    );
  containers = { web: await run('web'), db: await run('db') };
});
afterAll(async () => {
  await Promise.all([dockerd[Symbol.asyncDispose](), etcd[Symbol.asyncDispose]()]);
  await rm(directory, { recursive: true });
});

interface As {
  readonly user?: string;
  readonly host?: string;
}

function agent({ user = USER, host = 'docker1' }: As = {}, ...more: readonly string[]): AgentProcess {
  return new AgentProcess('clusterf-docker', [
    `--config-source=etcd+https://${etcd.tls.host}/clusterf`,
    `--etcd-ca=${ca}`,
    `--etcd-cert=${client.cert}`,
    `--etcd-key=${client.key}`,
    `--etcd-user=${user}`,
    `--etcd-password-file=${join(directory, `${user}.password`)}`,
    `--docker-endpoint=${dockerd.endpoint}`,
    `--host-name=${host}`,
    '--allow-frontend=10.107.0.0/16',
    '--ttl=3s',
    '--debug',
    ...more,
  ]);
}

async function entries(): Promise<string[]> {
  return Object.keys(await etcd.read('/clusterf/')).toSorted();
}

/** How many problems a host says that it has. */
async function problemsOf(host: string): Promise<unknown> {
  const [text = '{}'] = Object.values(await etcd.read(`/clusterf/hosts/${host}/status`));
  return JSON.parse(text).problems;
}

test('registers what it may, says of the rest which key wants which role, and shows no secret anywhere', async () => {
  await using docker = agent({}, '--http-listen=127.0.0.1:0');
  const mayNot = (path: string, role: string, words: string) =>
    `problem: ${path}: not registered: permission denied: user "${USER}" (roles: clusterf-backends, clusterf-host-docker1, clusterf-read) may not ` +
    `write /clusterf/${path}; the role for it is ${role}, and "clusterf etcd-roles ${words}" prints the commands that grant it`;
  const db = `services/db/backends/${containers.db}`;
  await docker.waitFor(mayNot(db, 'clusterf-backends', '--service db'), { deadline: PATIENCE });
  await docker.waitFor(mayNot('services/web/frontend', 'clusterf-backends', '--service web --frontends'));
  await docker.waitFor(mayNot('services/db/frontend', 'clusterf-backends', '--service db --frontends'));
  const allowed = ['/clusterf/hosts/docker1/status', `/clusterf/services/web/backends/${containers.web}`];
  expect(await entries()).toEqual(allowed);
  // So that who looks at all hosts at once sees it too.
  await until('its status counts what is refused', async () => (await problemsOf('docker1')) === 3);
  process.stdout.write(
    `${docker.log
      .filter(({ level }) => level === 'warn')
      .map(({ message }) => message)
      .join('\n')}\n`,
  );

  // Past the end of some tokens.
  const since = performance.now();
  await until('three tokens have ended', () => performance.now() - since > 4000);
  expect(docker.log.filter(({ message }) => /failed|lost|unavailable/.test(message))).toEqual([]);
  // Nor does Node have anything to say beside the log.
  expect(docker.log.filter(({ level }) => level === 'error')).toEqual([]);

  const { address } = await docker.waitFor('listening for HTTP');
  const get = async (path: string) => await (await fetch(`http://${String(address)}${path}`)).text();
  const [status, metrics] = await Promise.all([get('/status'), get('/metrics')]);
  expect(status).toContain('may not write');
  const secrets = await secretsOf({ passwords: [join(directory, `${USER}.password`)], keys: [client.key] });
  const places = {
    log: docker.text(),
    output: docker.output,
    status,
    metrics,
    process: await processOf(docker.pid),
    etcd: JSON.stringify(await etcd.read('/')),
  };
  expect(leaks([...secrets, JWT], places)).toEqual([]);

  await applyRoles(etcd, directory, [...CAST, '--service=db', '--frontends'], ROOT);
  await until('the rest is there', async () => (await entries()).length === 5, PATIENCE);
  await docker.waitFor(`problem solved: ${mayNot(db, 'clusterf-backends', '--service db').replace('problem: ', '')}`);
  await until('its status counts nothing any more', async () => (await problemsOf('docker1')) === 0);
  await docker.stop();
});

test('under another host’s name it registers nothing, and says which key and which role', async () => {
  await using docker = agent({ host: 'docker2' });
  const { error } = await docker.waitFor('registration failed, and is repeated until it succeeds', {
    deadline: PATIENCE,
  });
  expect(error).toMatchObject({
    message:
      `etcd ${etcd.tls.host}: permission denied: user "${USER}" (roles: clusterf-backends, clusterf-host-docker1, clusterf-read) may not write ` +
      '/clusterf/hosts/docker2/status; the role for it is clusterf-host-docker2, and "clusterf etcd-roles --host docker2" ' +
      'prints the commands that grant it',
  });
  expect((await entries()).filter((key) => key.includes('docker2'))).toEqual([]);
});

test('--once ends with exit code 1 where something is refused', async () => {
  await applyRoles(etcd, directory, ['--host=docker2'], ROOT);
  await etcd.call('auth/role/revoke', {
    role: 'clusterf-backends',
    key: Buffer.from('/clusterf/services/').toString('base64'),
    range_end: Buffer.from('/clusterf/services0').toString('base64'),
  });
  await using docker = agent({ user: 'clusterf-docker-docker2', host: 'docker2' }, '--once', '--route-network=bridge');
  expect(await docker.exit()).toBe(1);
  expect(docker.log.at(-1)?.message).toMatch(
    /^not registered: permission denied: user "clusterf-docker-docker2" .* may not write \/clusterf\/routes\//,
  );
});

test('a password that everybody on the machine may read, or that is wrong, is told of with its file', async () => {
  const passwordFile = join(directory, 'wrong.password');
  await writeFile(passwordFile, 'wrong', { mode: 0o644 });
  await using docker = agent({}, `--etcd-password-file=${passwordFile}`);
  await docker.waitFor(
    `--etcd-password-file ${passwordFile} may be read by everybody on this machine (mode 644); chmod 600 it`,
    { deadline: PATIENCE },
  );
  const { error } = await docker.waitFor('registration failed, and is repeated until it succeeds', {
    deadline: PATIENCE,
  });
  expect(error).toMatchObject({
    message: expect.stringContaining(`with the password in --etcd-password-file ${passwordFile}`),
  });
});
