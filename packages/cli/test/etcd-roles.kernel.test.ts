/** An ipvs-agent as the user that `clusterf etcd-roles` makes for it, known by its certificate; and a real kernel. */
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Authority, etcdTlsFlags, makeAuthority } from '../../../test/fixtures/certificates.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { leaks, processOf, secretsOf } from '../../../test/fixtures/secrets.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';
import { Site, table, untilTable } from '../../ipvs-agent/test/site.js';
import { askForUsers } from '../../store/test/users.js';
import { applyRoles } from './roles.js';

/** Milliseconds: the machine may have to share its core. */
const PATIENCE = 60_000;

const USER = 'clusterf-ipvs-lb1';
const STATUS = '/clusterf/balancers/lb1/status';
const SERVER = { names: 'IP:127.0.0.1', use: 'serverAuth,clientAuth' } as const;

let directory: string;
let authority: Authority;
let etcd: EtcdProcess;
/** Where the agent has its files, so that they can be others. */
let files: { readonly ca: string; readonly cert: string; readonly key: string };

beforeAll(async () => {
  requireMachine();
  directory = await mkdtemp(join(tmpdir(), 'clusterf-roles-'));
  files = { ca: join(directory, 'ca.pem'), cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  authority = await makeAuthority(join(directory, 'authority'));
  await copyFile(authority.ca, files.ca);
  await useCertificate(authority, { days: 2 });
  etcd = await startEtcd(...etcdTlsFlags(await authority.issue('etcd', SERVER), authority.ca));
  await applyRoles(etcd, directory, ['--balancer=lb1', '--certificates']);
  await askForUsers(etcd);
  await etcd.put('/clusterf/services/web/frontend', '{"ipv4": "10.107.0.1", "tcp": 80, "scheduler": "rr"}');
  await etcd.put('/clusterf/services/web/backends/a', '{"ipv4": "127.0.0.1", "tcp": 8080}');
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

async function useCertificate(by: Authority, { days }: { readonly days: number }): Promise<void> {
  const { cert, key } = await by.issue(USER, { use: 'clientAuth', days });
  await copyFile(key, files.key);
  await copyFile(cert, files.cert);
}

function start(site: Site, balancer: string): AgentProcess {
  return site.start(
    '--config-source',
    `etcd+https://${etcd.tls.host}/clusterf`,
    `--balancer-name=${balancer}`,
    `--etcd-ca=${files.ca}`,
    `--etcd-cert=${files.cert}`,
    `--etcd-key=${files.key}`,
    '--http-listen=127.0.0.1:0',
    '--ttl=3s',
    '--drain-timeout=0',
    '--debug',
  );
}

const lines = (...ports: readonly number[]) => [
  '-A -t 10.107.0.1:80 -s rr',
  ...ports.map((port) => `-a -t 10.107.0.1:80 -r 127.0.0.1:${port} -m -w 10`),
];

/** Waits for a line with this message whose error says these words: etcd may have been away for another reason before. */
async function says(agent: AgentProcess, message: string, words: string): Promise<void> {
  await until(
    `it says ${words}`,
    () => agent.logged(message).some((line) => JSON.stringify(line).includes(words)),
    PATIENCE,
  );
}

async function get(agent: AgentProcess, path: string): Promise<string> {
  const { address } = await agent.waitFor('listening for HTTP');
  return await (await fetch(`http://${String(address)}${path}`)).text();
}

test('reads the tree, publishes its status, and shows no secret anywhere', async () => {
  await using site = await Site.make();
  await using agent = start(site, 'lb1');
  await untilTable(lines(8080), PATIENCE);
  await until('its status is there', async () => Object.keys(await etcd.read(STATUS)).length === 1, PATIENCE);
  const state = await Promise.all(
    (await readdir(site.stateDirectory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(async ({ parentPath, path, name }) => await readFile(join(parentPath ?? path, name), 'utf8')),
  );
  const places = {
    log: agent.text(),
    status: await get(agent, '/status'),
    metrics: await get(agent, '/metrics'),
    process: await processOf(agent.pid),
    state: state.join('\n'),
    etcd: JSON.stringify(await etcd.read('/')),
  };
  expect(leaks(await secretsOf({ keys: [files.key] }), places)).toEqual([]);
});

test('under another balancer’s name it balances all the same, and says which key and which role it lacks', async () => {
  await using site = await Site.make();
  await using agent = start(site, 'lb2');
  await untilTable(lines(8080), PATIENCE);
  const why =
    `problem: balancers/lb2/status: the status cannot be published: etcd ${etcd.tls.host}: permission denied: user "${USER}" ` +
    '(roles: clusterf-balancer-lb1, clusterf-read) may not write /clusterf/balancers/lb2/status; the role for it is ' +
    'clusterf-balancer-lb2, and "clusterf etcd-roles --balancer lb2" prints the commands that grant it';
  await agent.waitFor(why, { deadline: PATIENCE });
  process.stdout.write(`${why}\n`);
  expect(JSON.parse(await get(agent, '/status'))).toMatchObject({ ready: true });
});

test('with a certificate that etcd no longer takes the kernel stays as it was, until the file has one that it does', async () => {
  await using site = await Site.make();
  await using agent = start(site, 'lb1');
  await untilTable(lines(8080), PATIENCE);

  await useCertificate(authority, { days: -1 });
  await etcd.restart(); // The connections that there were would go on.
  await says(
    agent,
    'source unavailable: what was last read stays in force',
    `client certificate in --etcd-cert ${files.cert}, which expired on`,
  );
  await etcd.put('/clusterf/services/web/backends/b', '{"ipv4": "127.0.0.1", "tcp": 8081}');
  expect(await table()).toEqual(lines(8080).toSorted());

  await useCertificate(authority, { days: 2 });
  await untilTable(lines(8080, 8081), PATIENCE);
  await etcd.remove('/clusterf/services/web/backends/b');
});

test('with a certificate of nobody’s it starts, writes nothing to the kernel, and says what is the matter', async () => {
  await useCertificate(await makeAuthority(join(directory, 'stranger')), { days: 2 });
  await using site = await Site.make();
  await using agent = start(site, 'lb1');
  await says(
    agent,
    'source unavailable: the kernel is left as it is until it is read',
    `etcd ${etcd.tls.host}: it does not take the client certificate in --etcd-cert ${files.cert} ` +
      '(TLS alert: bad certificate); expected one that an authority in its --trusted-ca-file has signed, for clients',
  );
  expect(await table()).toEqual([]);
  await useCertificate(authority, { days: 2 });
  await untilTable(lines(8080), PATIENCE);
});
