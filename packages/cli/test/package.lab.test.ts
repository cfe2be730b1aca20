/** The Debian package, on a machine that runs systemd: from its installation to its purge. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { until } from '../../../test/fixtures/until.js';
import { type Machine, projectRoot, startMachine } from '../../../test/lab/index.js';
import { SUBCOMMANDS } from '../src/subcommands.js';
import { VERSION } from '../src/version.js';
import { bootSystemd, type Systemd } from './systemd.js';

const run = promisify(execFile);

/** Milliseconds that a start of something large may take where every system call costs ten times its price. */
const SLOW = 100_000;
const NEXT_VERSION = `${VERSION}+next`;
const AGENTS = ['clusterf-docker', 'clusterf-ipvs'] as const;
const UNITS = [...AGENTS, 'clusterf-up'] as const;
const MANUALS = ['clusterf.1', 'clusterf-config.1', 'clusterf-docker.8', 'clusterf-ipvs.8'];
const VIP = '10.107.107.107';
const FOREIGN = '-A -t 10.9.9.9:443 -s wlc';
const OPTIONS = {
  'config-source': ['etcd://127.0.0.1:2379/clusterf'],
  'log-format': 'text',
  'vip-interface': 'clusterf0',
  profile: 'standalone',
};

let directory: string;
let packages: { readonly first: string; readonly next: string };
let machine: Machine;
let systemd: Systemd;
let usersBefore: string;

/** @returns the package's path */
async function makePackage(version: string, output = directory): Promise<string> {
  const script = join(projectRoot(), 'packages', 'cli', 'packaging', 'package.mjs');
  // As npm run package makes it, but for what takes most of the time.
  const env = { ...process.env, DPKG_DEB_COMPRESSOR_TYPE: 'gzip', DPKG_DEB_COMPRESSOR_LEVEL: '1' };
  const { stdout } = await run(process.execPath, [script, '--version', version, '--output', output], { env });
  return stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** Whether Node is the package that ours asks for, rather than something unpacked somewhere. */
async function nodeIsPackaged(): Promise<boolean> {
  const asked = ['--showformat=${db:Status-Status} ${Version}', '--show', 'nodejs'];
  const { stdout } = await run('dpkg-query', asked).catch(() => ({ stdout: '' }));
  return /^installed (\d+:)?[2-9]\d/.test(stdout);
}

/** Puts this Node where the package has it, and tells dpkg that it has come as one. */
async function packageNode(): Promise<void> {
  const staging = join(directory, 'nodejs');
  const fields = ['Package: nodejs', 'Version: 20', 'Architecture: all', 'Maintainer: nobody', 'Description: stand-in'];
  await mkdir(join(staging, 'DEBIAN'), { recursive: true });
  await writeFile(join(staging, 'DEBIAN', 'control'), `${fields.join('\n')}\n`);
  await run('dpkg-deb', ['--build', '--root-owner-group', staging]);
  await machine.copyIn(`${staging}.deb`, '/root/nodejs.deb');
  await machine.output(['dpkg', '--install', '/root/nodejs.deb']);
  await machine.copyIn(process.execPath, '/usr/bin/node');
}

async function dpkg(...words: readonly string[]): Promise<string> {
  return await systemd.output(['dpkg', ...words], { timeout: SLOW });
}

async function users(): Promise<string> {
  return await machine.output('getent passwd; getent group');
}

async function table(): Promise<string[]> {
  return (await machine.output(['ipvsadm', '-Sn'])).trim().split('\n').filter(Boolean).toSorted();
}

async function configure(options: object): Promise<void> {
  await machine.output(['tee', '/etc/clusterf/ipvs.json'], { input: JSON.stringify(options) });
}

async function etcdctl(...words: readonly string[]): Promise<string> {
  return await machine.output(['etcdctl', ...words], { env: { ETCDCTL_API: '3' } });
}

/** The key of the one backend there is, and what etcd knows of it. */
async function registered(): Promise<{ readonly key: string; readonly create_revision: number } | undefined> {
  const answer: unknown = JSON.parse(
    await etcdctl('get', '--prefix', '/clusterf/services/web/backends/', '--write-out=json'),
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- etcdctl's own words
  return (answer as { kvs?: { key: string; create_revision: number }[] }).kvs?.[0];
}

/** What an agent says over HTTP; status 0 if that was good. */
async function ask(unit: (typeof UNITS)[number], path: string) {
  const port = unit === 'clusterf-docker' ? 9781 : 9780;
  return await machine.run(['busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}${path}`]);
}

/** Waits until an agent is ready, as a monitor would ask it. @returns its process id */
async function ready(agent: (typeof UNITS)[number], former?: string): Promise<string> {
  let pid = '';
  await until(
    `${agent} is ready`,
    async () => {
      pid = (await systemd.show(`${agent}.service`, 'MainPID')).MainPID;
      if (pid === '0' || pid === former) return false;
      return (await ask(agent, '/readyz')).status === 0;
    },
    SLOW,
    300,
  ).catch(async (cause: unknown) => {
    throw new Error(await systemd.journal(`${agent}.service`), { cause });
  });
  return pid;
}

/** A process's rights, as the kernel has them. */
async function rights(pid: string): Promise<Readonly<Record<string, string>>> {
  const status = await systemd.output(['cat', `/proc/${pid}/status`]);
  return Object.fromEntries(
    [...status.matchAll(/^(Uid|Groups|CapEff|CapBnd|NoNewPrivs|Seccomp):\s*(.*?)\s*$/gm)].map(([, name, value]) => [
      name,
      value,
    ]),
  );
}

async function idOf(database: 'passwd' | 'group', name: string): Promise<string> {
  return (await machine.output(['getent', database, name])).split(':')[2] ?? '';
}

/** What is in the machine's files and not in the host's, and was made after `mark`: they are the same but for what is written. */
async function leftovers(mark: string): Promise<string[]> {
  // As deep as packages go, and no deeper: a machine holds open what it has looked into.
  const found = await systemd.output(['find', '/', '-xdev', '-maxdepth', '5', '-cnewer', mark], { timeout: SLOW });
  return found.split('\n').filter((path) => path !== '' && !existsSync(path) && !OTHERS.test(path));
}

/** Of what runs and was written down meanwhile. */
const OTHERS = /^\/(root|var\/log|var\/lib\/(containerd|docker|systemd))(\/|$)/;

jest.setTimeout(4 * SLOW);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-package-'));
  packages = { first: await makePackage(VERSION), next: await makePackage(NEXT_VERSION) };
  machine = await startMachine({ name: 'package', memory: '1536M' });
  for (const path of Object.values(packages)) await machine.copyIn(path, `/root/${basename(path)}`);
  packages = { first: `/root/${basename(packages.first)}`, next: `/root/${basename(packages.next)}` };
  // Images of containers forbid packages to start and to stop what they bring; a machine that runs systemd does not.
  await machine.output(['rm', '-f', '/usr/sbin/policy-rc.d']);
  // Else it would read every manual page of the host, and a machine holds open what it has read.
  await machine.output(['rm', '-f', '/var/lib/man-db/auto-update']);
  if (!(await nodeIsPackaged())) await packageNode();
  await machine.output('ETCD_DATA_DIR=/root/etcd etcd >/dev/null 2>&1 &');
  systemd = await bootSystemd(machine);
  usersBefore = await users();
  await machine.output(['touch', '/root/before']);
});
afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

test('a package is the same, byte for byte, each time it is made of the same', async () => {
  const again = await mkdtemp(join(directory, 'again-'));
  const [first, second] = await Promise.all([
    readFile(join(directory, basename(packages.first))),
    makePackage(VERSION, again).then(async (path) => await readFile(path)),
  ]);
  expect(first.equals(second)).toBe(true);
});

test('every command and every subcommand has a manual page that groff has no complaint about', async () => {
  const unpacked = join(directory, 'unpacked');
  await run('dpkg-deb', ['--extract', join(directory, basename(packages.first)), unpacked]);
  const man = join(unpacked, 'usr', 'share', 'man');
  const names = [...MANUALS, ...Object.keys(SUBCOMMANDS).map((name) => `clusterf-${name}.1`)];
  const found = (await readdir(man, { recursive: true })).filter((path) => path.endsWith('.gz'));
  expect(found.toSorted()).toEqual(names.map((name) => `man${name.at(-1)}/${name}.gz`).toSorted());
  for (const path of found) {
    const page = `zcat ${join(man, path)} | groff -man -ww -Tutf8 -P-cbou`;
    const { stdout, stderr } = await run('/bin/sh', ['-c', page]);
    expect({ path, stderr }).toEqual({ path, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^NAME\\n +${basename(path).slice(0, -5)} - .+`, 'm'));
  }
});

describe('installed', () => {
  test('it starts nothing and takes nothing over, and its files are as they were packed', async () => {
    await dpkg('--install', packages.first);
    expect(await dpkg('--verify', 'clusterf')).toBe('');
    for (const unit of UNITS) {
      const state = await systemd.show(`${unit}.service`, 'LoadState', 'UnitFileState', 'ActiveState');
      expect(state).toEqual({ LoadState: 'loaded', UnitFileState: 'disabled', ActiveState: 'inactive' });
    }
    expect(await table()).toEqual([]);
  });

  test('its units are without a complaint of systemd’s', async () => {
    const verify = ['systemd-analyze', 'verify', '--man=no', ...UNITS.map((unit) => `${unit}.service`)];
    expect(await systemd.run(verify)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });
});

describe('enabled', () => {
  test('the agents do their work, each with no more rights than it needs', async () => {
    await configure(OPTIONS);
    // However slow this machine is, an upgrade takes less.
    await machine.output(['tee', '-a', '/etc/default/clusterf-docker'], { input: 'CLUSTERF_TTL=90s\n' });
    await etcdctl('put', '/clusterf/services/web/frontend', JSON.stringify({ ipv4: VIP, tcp: 80, scheduler: 'rr' }));
    await systemd.output(['systemctl', 'start', 'docker'], { timeout: SLOW });
    await systemd.output(['systemctl', 'enable', '--now', 'clusterf-docker', 'clusterf-ipvs']);
    const [docker, ipvs] = [await ready('clusterf-docker'), await ready('clusterf-ipvs')];
    expect(await rights(docker)).toEqual({
      Uid: Array(4)
        .fill(await idOf('passwd', 'clusterf-docker'))
        .join('\t'),
      Groups: expect.stringContaining(await idOf('group', 'docker')),
      CapEff: '0000000000000000',
      CapBnd: '0000000000000000',
      NoNewPrivs: '1',
      Seccomp: '2',
    });
    expect(await rights(ipvs)).toMatchObject({
      Uid: Array(4)
        .fill(await idOf('passwd', 'clusterf-ipvs'))
        .join('\t'),
      CapEff: '0000000000001000', // CAP_NET_ADMIN
      CapBnd: '0000000000001000',
      NoNewPrivs: '1',
      Seccomp: '2',
    });

    await systemd.output(['sh', '-c', 'cd /root && mkdir -p image/bin && cp /bin/busybox image/bin/']);
    await systemd.output(['sh', '-c', 'tar -C /root/image -c . | docker import - busybox']);
    const labels = ['clusterf.service=web', 'clusterf.backend.tcp=8080'].flatMap((label) => ['--label', label]);
    await systemd.output(['docker', 'run', '--detach', ...labels, 'busybox', '/bin/busybox', 'sleep', '100000']);
    const wanted = [`-A -t ${VIP}:80 -s rr`, expect.stringMatching(`^-a -t ${VIP}:80 -r 172\\.\\S+:8080 -m -w 10$`)];
    await until('the container is a destination', async () => (await table()).length > 1, SLOW, 200);
    expect(await table()).toEqual(wanted);
    expect(await machine.output(['ip', '-br', 'address', 'show', 'clusterf0'])).toContain(`${VIP}/32`);
    expect(await machine.output(['cat', '/proc/sys/net/ipv4/vs/expire_nodest_conn'])).toBe('1\n');
    for (const agent of AGENTS)
      expect(JSON.parse((await ask(agent, '/status')).stdout)).toMatchObject({ problems: [] });
  });

  test('an agent sees all but the network’s settings read-only', async () => {
    const { MainPID: pid } = await systemd.show('clusterf-ipvs.service', 'MainPID');
    const asItself = (path: string) => [
      'nsenter',
      `--target=${pid}`,
      '--mount',
      '--pid',
      'sh',
      '-c',
      `cat ${path} >/root/value; cat /root/value >${path}`,
    ];
    expect(await systemd.run(asItself('/proc/sys/kernel/panic'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('Read-only file system'),
    });
  });

  test('an agent by hand beside the unit’s refuses, with the other’s process id', async () => {
    const { MainPID: pid } = await systemd.show('clusterf-ipvs.service', 'MainPID');
    const { status, stderr } = await systemd.run(['clusterf-ipvs', '--once']);
    expect(status).toBe(1);
    expect(stderr).toContain(`another clusterf-ipvs or clusterf up, process ${pid}, keeps this machine's IPVS table`);
  });

  test('one that is killed comes back, and finds nothing to do', async () => {
    const before = await table();
    const { MainPID: pid } = await systemd.show('clusterf-ipvs.service', 'MainPID');
    await systemd.output(['systemctl', 'kill', '--signal=KILL', 'clusterf-ipvs']);
    const next = await ready('clusterf-ipvs', pid);
    expect(await systemd.journal('clusterf-ipvs', next)).toMatch(/ready: 1 virtual services.* nothing to do/);
    expect(await table()).toEqual(before);
  });

  test('a reload is heard', async () => {
    const { MainPID: pid } = await systemd.show('clusterf-ipvs.service', 'MainPID');
    await systemd.output(['systemctl', 'reload', 'clusterf-ipvs']);
    await until('it says so', async () => (await systemd.journal('clusterf-ipvs', pid)).includes('reading again'));
    expect((await systemd.show('clusterf-ipvs.service', 'MainPID')).MainPID).toBe(pid);
  });

  test('options that make no sense are complained of once, and the kernel forwards on', async () => {
    const before = await table();
    await configure({ ...OPTIONS, 'drain-timeout': 'soon' });
    await systemd.run(['systemctl', 'restart', 'clusterf-ipvs']);
    const properties = ['ActiveState', 'NRestarts', 'ExecMainStatus'] as const;
    await until(
      'it has failed',
      async () => (await systemd.show('clusterf-ipvs.service', ...properties)).ActiveState === 'failed',
      SLOW,
      200,
    );
    expect(await systemd.show('clusterf-ipvs.service', ...properties)).toMatchObject({
      NRestarts: '0',
      ExecMainStatus: '3',
    });
    expect(await systemd.journal('clusterf-ipvs')).toContain(
      '--drain-timeout: "soon" (/etc/clusterf/ipvs.json) is not a duration',
    );
    expect(await table()).toEqual(before);
    await configure(OPTIONS);
    await systemd.output(['systemctl', 'restart', 'clusterf-ipvs']);
    await ready('clusterf-ipvs');
  });
});

test('clusterf up takes the place of both agents, with no more rights than theirs, and leaves it to them again', async () => {
  const options = { 'allow-frontend': ['10.107.0.0/16'], 'drain-timeout': '0s', 'log-format': 'text' };
  await machine.output(['tee', '/etc/clusterf/up.json'], { input: JSON.stringify(options) });
  const before = await table();
  const labels = { service: 'alone', 'backend.tcp': '8080', 'frontend.ipv4': '10.107.107.108', 'frontend.tcp': '80' };
  const words = Object.entries(labels).flatMap(([label, value]) => ['--label', `clusterf.${label}=${value}`]);
  await systemd.output(['systemctl', 'start', 'clusterf-up']);
  const up = await ready('clusterf-up');
  for (const agent of AGENTS)
    expect(await systemd.show(`${agent}.service`, 'ActiveState')).toEqual({ ActiveState: 'inactive' });
  expect(await rights(up)).toMatchObject({
    Groups: expect.stringContaining(await idOf('group', 'docker')),
    CapEff: '0000000000001000', // CAP_NET_ADMIN
    CapBnd: '0000000000001000',
    NoNewPrivs: '1',
    Seccomp: '2',
  });
  const container = ['docker', 'run', '--detach', '--name', 'alone', ...words, 'busybox'];
  await systemd.output([...container, '/bin/busybox', 'sleep', '100000']);
  const wanted = expect.stringMatching(/^-a -t 10\.107\.107\.108:80 -r 172\.\S+:8080 -m -w 10$/);
  await until('the container is a destination', async () => (await table()).length === 2, SLOW, 200);
  expect(await table()).toContainEqual(wanted);
  await systemd.output(['docker', 'rm', '--force', 'alone']);
  await systemd.output(['systemctl', 'start', ...AGENTS]);
  for (const agent of AGENTS) await ready(agent);
  expect(await systemd.show('clusterf-up.service', 'ActiveState')).toEqual({ ActiveState: 'inactive' });
  await until('all is as it was', async () => (await table()).join('\n') === before.join('\n'), SLOW, 200);
});

test('an upgrade restarts what runs, and neither kernel, tree nor configuration notice', async () => {
  const [docker, balancer] = await Promise.all(
    AGENTS.map(async (agent) => (await systemd.show(agent, 'MainPID')).MainPID),
  );
  const [lines, entry] = [await table(), await registered()];
  expect(entry).toBeDefined();
  await dpkg('--install', packages.next);
  expect(await systemd.output(['dpkg-query', '--showformat=${Version}', '--show', 'clusterf'])).toBe(NEXT_VERSION);
  expect(await systemd.output(['zcat', '/usr/share/doc/clusterf/changelog.gz'])).toContain(
    `clusterf (${NEXT_VERSION})`,
  );
  await ready('clusterf-docker', docker);
  const ipvs = await ready('clusterf-ipvs', balancer);
  expect(await systemd.journal('clusterf-ipvs', ipvs)).toContain('nothing to do');
  expect(await table()).toEqual(lines);
  expect(await registered()).toMatchObject({ key: entry?.key, create_revision: entry?.create_revision });
  expect(JSON.parse(await machine.output(['cat', '/etc/clusterf/ipvs.json']))).toEqual(OPTIONS);
});

test('removed, it takes along what it put into the kernel, and leaves its configuration', async () => {
  await machine.output(`ipvsadm ${FOREIGN}`);
  // To systemd, and so to whoever wrote it, the end of it is no command.
  const line = 'CLUSTERF_FILTER_ROUTES=etcd: $(touch /root/executed); touch /root/executed\n';
  await machine.output(['tee', '-a', '/etc/default/clusterf-ipvs'], { input: line });
  await dpkg('--remove', 'clusterf');
  expect(await machine.run(['ls', '/root/executed'])).toMatchObject({ status: 2 });
  expect(await systemd.run(['ls', '/run/clusterf'])).toMatchObject({ status: 2 });
  expect(await table()).toEqual([FOREIGN]);
  expect(await machine.run(['ip', 'link', 'show', 'clusterf0'])).toMatchObject({ status: 1 });
  expect(await systemd.run(['pgrep', '--full', '/usr/bin/clusterf-'])).toMatchObject({ status: 1 });
  for (const unit of UNITS)
    expect(await systemd.show(`${unit}.service`, 'LoadState')).toEqual({ LoadState: 'not-found' });
  expect(JSON.parse(await machine.output(['cat', '/etc/clusterf/ipvs.json']))).toEqual(OPTIONS);
});

test('purged, it leaves neither file nor user', async () => {
  await dpkg('--purge', 'clusterf');
  expect(await users()).toBe(usersBefore);
  expect(await leftovers('/root/before')).toEqual([]);
  expect(await systemd.run(['ls', '/run/clusterf'])).toMatchObject({ status: 2 });
  expect(await table()).toEqual([FOREIGN]);
});

test('where no systemd runs, as in a container, it is installed and purged all the same', async () => {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  expect(await machine.output(['clusterf', '--version'], { env: { PATH: '/usr/bin' } }).catch(() => 'none')).toBe(
    'none',
  );
  const installed = await machine.run(['dpkg', '--no-triggers', '--install', packages.first], { env });
  expect(installed).toMatchObject({ status: 0, stderr: '' });
  for (const command of ['clusterf', ...AGENTS])
    expect(await machine.output([`/usr/bin/${command}`, '--version'], { env })).toBe(`${command} ${VERSION}\n`);
  expect(await machine.run(['dpkg', '--no-triggers', '--purge', 'clusterf'], { env })).toMatchObject({
    status: 0,
    stderr: '',
  });
  expect(await users()).toBe(usersBefore);
});
