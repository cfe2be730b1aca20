/** What doctor finds of a real dockerd and its rules, in a network namespace of its own. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Dockerd, startDockerd } from '../../../../test/fixtures/dockerd.js';
import { projectRoot } from '../../../../test/lab/index.js';
import type { Finding } from '../../src/doctor/finding.js';

const run = promisify(execFile);

const NETNS = 'doctor-docker';
const BIN = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');

let dockerd: Dockerd;
let directory: string;

/** In the namespace, but with the machine's own /sys/fs/cgroup, as dockerd needs it. */
async function sh(line: string): Promise<string> {
  return (await run('nsenter', [`--net=/run/netns/${NETNS}`, 'sh', '-ec', line])).stdout;
}

beforeAll(async () => {
  // Without forwarding: Docker drops in FORWARD only where it turns that on itself.
  await run('ip', ['netns', 'add', NETNS]);
  await sh(`
    ip link set lo up; ip address add 10.0.0.1/32 dev lo
    ip link add c0 type veth peer name c1; ip address add 192.0.2.10/24 dev c0
    ip link set c0 up; ip link set c1 up
    ip route add default via 192.0.2.1
    sysctl -qw net.ipv4.ip_forward=0
  `);
  dockerd = await startDockerd({ netns: `/run/netns/${NETNS}`, liveRestore: false });
  directory = await mkdtemp(join(tmpdir(), 'clusterf-doctor-'));
});
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
  await run('ip', ['netns', 'delete', NETNS]);
  await rm(directory, { recursive: true });
});

async function put(entries: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, value] of Object.entries(entries)) {
    const file = join(directory, 'tree', key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(value));
  }
}

async function doctor(role: string, ...flags: readonly string[]): Promise<readonly Finding[]> {
  const words = ['doctor', '--for', role, '-o', 'json', '--config-source', `file://${directory}/tree`];
  const docker = ['--docker-endpoint', dockerd.endpoint, '--state-dir', join(directory, 'state')];
  const child = spawn('nsenter', [`--net=/run/netns/${NETNS}`, process.execPath, BIN, ...words, ...docker, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

function troubles(findings: readonly Finding[], check: string): readonly Finding[] {
  return findings.filter((finding) => finding.check === check && finding.severity !== 'ok');
}

test('Docker is told by its version, and that a restart of it ends its containers', async () => {
  await put({ 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 } });
  const findings = await doctor('docker');
  const version = await dockerd.docker('version', '--format', '{{.Server.Version}}');
  expect(findings).toContainEqual({ check: 'Docker', severity: 'ok', found: `${version} at ${dockerd.endpoint}` });
  expect(troubles(findings, 'Docker')).toEqual([
    expect.objectContaining({ severity: 'warn', found: 'live-restore is off' }),
  ]);
});

test('a Docker that is not there, and one that this user may not ask, are failures of their own', async () => {
  const missing = await doctor('docker', '--docker-endpoint', 'unix:///nowhere/docker.sock');
  expect(troubles(missing, 'Docker')).toEqual([
    expect.objectContaining({
      severity: 'fail',
      found: expect.stringMatching(/ENOENT/),
      mend: 'systemctl start docker',
    }),
  ]);
  await chmod(directory, 0o755);
  const words = `doctor --for docker -o json --config-source file://${directory}/tree --docker-endpoint ${dockerd.endpoint}`;
  const stdout = await sh(
    `chmod a+rx ${dirname(dockerd.socketPath)}; setpriv --reuid 65534 --regid 65534 --clear-groups ${process.execPath} ${BIN} ${words} || true`,
  );
  expect(troubles(JSON.parse(stdout), 'Docker')).toEqual([
    expect.objectContaining({
      severity: 'fail',
      found: expect.stringMatching(/EACCES/),
      mend: expect.stringMatching(/^usermod --append --groups docker /),
    }),
  ]);
});

test('a port that Docker publishes on all addresses takes a service away; published on one of the host’s it does not', async () => {
  await put({ 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 } });
  const id = await dockerd.runContainer(['-p', '80:8080', '--name', 'public']);
  expect(troubles(await doctor('ipvs'), 'published ports')).toEqual([
    expect.objectContaining({
      severity: 'fail',
      found: expect.stringMatching(
        /^tcp 10\.0\.0\.1:80 goes elsewhere before it is balanced: -A DOCKER .*--dport 80 -j DNAT/,
      ),
      mend: expect.stringMatching(/^docker ps --filter publish=80\/tcp /),
    }),
  ]);
  await dockerd.docker('rm', '--force', id);
  await dockerd.runContainer(['-p', '192.0.2.10:80:8080', '--name', 'restricted']);
  expect(troubles(await doctor('ipvs'), 'published ports')).toEqual([]);
  await dockerd.docker('rm', '--force', 'restricted');
});

test('containers that a balancer elsewhere is to reach are out of reach, until what is printed is typed', async () => {
  const id = await dockerd.runContainer(['--name', 'web']);
  const address = await dockerd.docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', id);
  await put({
    'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
    'services/web/backends/web': { ipv4: address, tcp: 80, host: 'host1' },
    'balancers/lb1/status': { machine: 'another' },
  });
  const [trouble] = troubles(await doctor('docker', '--host-name', 'host1'), 'direct routing');
  expect(trouble).toMatchObject({
    severity: 'fail',
    found: expect.stringContaining(`drops what balancers send to ${address}, containers of web`),
    mend: expect.stringMatching(/^iptables -I DOCKER-USER -d 172\.\d+\.0\.0\/16 -j ACCEPT$/),
  });
  await sh(trouble?.mend ?? 'false');
  expect(troubles(await doctor('docker', '--host-name', 'host1'), 'direct routing')).toEqual([]);
});

test('the rule that Docker 28 has for each container is found, and says that no rule of one’s own lifts it', async () => {
  const address = await dockerd.docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'web');
  await sh(`iptables -t raw -A PREROUTING -d ${address}/32 ! -i docker0 -j DROP`);
  const [trouble] = troubles(await doctor('docker', '--host-name', 'host1'), 'direct routing');
  expect(trouble).toMatchObject({
    severity: 'fail',
    found: expect.stringContaining(`-A PREROUTING -d ${address}/32 ! -i docker0 -j DROP drops`),
    mend: expect.stringMatching(/gateway_mode_ipv4=nat-unprotected/),
  });
});
