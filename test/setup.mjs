/**
 * Makes a fresh clone ready: `node test/setup.mjs test|demo|lab|cluster|bench`. Plain JavaScript without dependencies, since nothing
 * is installed yet. A second run finds everything in place and only compiles and bundles what changed.
 *
 * Either all that is missing can be installed, or nothing is touched and what to install is said (exit status 1).
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_MAJOR = 20;
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PURPOSES = ['test', 'demo', 'lab', 'cluster', 'bench'];

/**
 * What the lab and the tests call, the Debian package it is in, and why. `services` are what the package's
 * own scripts start where they can: unasked for here, and in the way of the tests' own. `purposes` are those that
 * need it, where not all do.
 */
const REQUIREMENTS = [
  { program: 'ip', package: 'iproute2', why: 'networks of the tests' },
  { program: 'iptables', package: 'iptables', why: 'dockerd’s own rules' },
  { program: 'ipvsadm', package: 'ipvsadm', why: 'a second opinion on the kernel’s table' },
  { program: 'unshare', package: 'util-linux', why: 'namespaces' },
  { program: 'ps', package: 'procps', why: 'what still runs inside a machine' },
  { program: 'busybox', package: 'busybox-static', why: 'the containers’ one program' },
  { program: 'openssl', package: 'openssl', why: 'certificates for Docker over TLS' },
  { program: 'etcd', package: 'etcd-server', why: 'a real etcd', services: ['etcd'] },
  { program: 'etcdctl', package: 'etcd-client', why: 'to look into etcd' },
  {
    program: 'dockerd',
    package: 'docker.io',
    why: 'a real dockerd',
    services: ['docker.socket', 'docker', 'containerd'],
  },
  {
    program: 'prometheus',
    package: 'prometheus',
    why: 'a real one for the alert rules',
    purposes: ['test'],
    services: ['prometheus'],
  },
  { program: 'zsh', package: 'zsh', why: 'a shell whose completion is tried', purposes: ['test'] },
  { program: 'fish', package: 'fish', why: 'the same', purposes: ['test'] },
  { program: 'docker-compose', package: 'docker-compose', why: 'docker-compose.yml', purposes: ['test'] },
  { program: 'setcap', package: 'libcap2-bin', why: 'an image whose agents are no root', purposes: ['test'] },
  {
    program: 'tcpdump',
    package: 'tcpdump',
    why: 'which balancer each connection goes to',
    purposes: ['test', 'bench'],
  },
  { program: 'bird', package: 'bird2', why: 'the cluster’s routing', services: ['bird'] },
  {
    program: 'keepalived',
    package: 'keepalived',
    why: 'something to be measured against, and imported from',
    purposes: ['test', 'bench'],
    services: ['keepalived'],
  },
  { program: 'haproxy', package: 'haproxy', why: 'the same', purposes: ['bench'], services: ['haproxy'] },
  { program: 'nginx', package: 'nginx', why: 'the same', purposes: ['bench'], services: ['nginx'] },
  {
    file: '/usr/lib/nginx/modules/ngx_stream_module.so',
    package: 'libnginx-mod-stream',
    why: 'the same, for TCP',
    purposes: ['bench'],
  },
  { program: 'iperf3', package: 'iperf3', why: 'throughput', purposes: ['bench'] },
  { program: 'gcc', package: 'gcc', why: 'the bench’s own client and server', purposes: ['bench'] },
  { file: '/usr/include/stdio.h', package: 'libc6-dev', why: 'the same', purposes: ['bench'] },
  { program: 'curl', package: 'curl', why: 'to ask what is published', purposes: ['lab', 'cluster'] },
  { program: 'groff', package: 'groff-base', why: 'manual pages without a warning', purposes: ['test'] },
  { file: '/lib/systemd/systemd', package: 'systemd', why: 'the units of our package', purposes: ['test'] },
  { program: 'adduser', package: 'adduser', why: 'the users of our package', purposes: ['test'] },
  { program: 'modprobe', package: 'kmod', why: 'the lab kernel’s modules', when: needsLabKernel },
  {
    program: 'linux',
    package: 'user-mode-linux',
    why: 'a kernel with IPVS, which this one lacks',
    when: needsLabKernel,
  },
  { program: 'gcc', package: 'gcc', why: 'a shim for the lab kernel on processors with AMX', when: needsShim },
  { file: '/usr/include/stdio.h', package: 'libc6-dev', why: 'the same shim', when: needsShim },
];

async function main(purpose) {
  if (!PURPOSES.includes(purpose)) fail(`usage: node test/setup.mjs ${PURPOSES.join('|')}`);
  process.chdir(ROOT);
  requireNode();
  await installPackages(purpose);
  await installModules();
  await compile();
}

function requireNode() {
  const version = process.versions.node;
  if (Number.parseInt(version, 10) < NODE_MAJOR) fail(`Node ${version} runs this; ${NODE_MAJOR} or later is needed`);
}

async function installPackages(purpose) {
  const missing = REQUIREMENTS.filter(
    (requirement) =>
      (requirement.purposes ?? PURPOSES).includes(purpose) && !isMet(requirement) && (requirement.when?.() ?? true),
  );
  if (missing.length === 0) return;
  const packages = missing.map((requirement) => requirement.package);
  const command = `apt-get install --no-install-recommends --yes ${packages.join(' ')}`;
  if (process.getuid() !== 0 || !isProgram('apt-get')) {
    const list = missing.map(
      ({ package: name, program, file, why }) => `  ${program ?? file} (Debian package ${name}): ${why}`,
    );
    const advice = isProgram('apt-get')
      ? `As root: apt-get update && ${command}`
      : `This is no Debian: install them its own way. On Debian it is: ${command}`;
    fail(`missing:\n${list.join('\n')}\n${advice}`);
  }
  for (const { package: name, why } of missing) say(`Debian package ${name}: ${why}`);
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const install = () => run('apt-get install', command.split(' '), options);
  const update = () => run('apt-get update', ['apt-get', 'update'], options);
  // A list fetched long ago names versions that are no longer there.
  if (!hasPackageLists() || !(await install())) {
    if (!(await update()) || !(await install())) fail(`apt-get failed; by hand: apt-get update && ${command}`);
  }
  for (const service of missing.flatMap((requirement) => requirement.services ?? [])) stopService(service);
}

function isMet({ program, file }) {
  return program === undefined ? existsSync(file) : isProgram(program);
}

function isProgram(name) {
  const path = `${process.env.PATH ?? ''}:${SYSTEM_PATH}`;
  return path.split(':').some((directory) => directory !== '' && existsSync(join(directory, name)));
}

function hasPackageLists() {
  const lists = '/var/lib/apt/lists';
  return existsSync(lists) && readdirSync(lists).some((name) => /_Packages(\.\w+)?$/.test(name));
}

/** Debian starts what it installs where an init system runs or seems to; in most containers it does not. */
function stopService(name) {
  const command = existsSync('/run/systemd/system') ? ['systemctl', 'stop', name] : ['service', name, 'stop'];
  try {
    execFileSync(command[0], command.slice(1), { stdio: 'ignore', timeout: 60_000 });
  } catch {
    // Not running, or not known as a service of its own.
  }
}

/** Mirrors availableKind() of test/lab/kind.ts, which is not compiled yet. */
function needsLabKernel() {
  if (process.env.CLUSTERF_LAB_KIND) return process.env.CLUSTERF_LAB_KIND === 'uml';
  if (process.getuid() !== 0) return true;
  if (existsSync('/proc/net/ip_vs')) return false;
  try {
    execFileSync('modprobe', ['ip_vs'], { stdio: 'ignore' });
  } catch {
    return true;
  }
  return !existsSync('/proc/net/ip_vs');
}

function needsShim() {
  return needsLabKernel() && /^flags\s*:.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

async function installModules() {
  const lock = 'package-lock.json';
  const installed = join('node_modules', '.package-lock.json');
  if (!existsSync(installed)) say('npm ci: node_modules is missing');
  else if (statSync(installed).mtimeMs < statSync(lock).mtimeMs) say(`npm ci: node_modules is older than ${lock}`);
  else return ensureCache();
  if (!(await run('npm ci', ['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error']))) fail('npm ci failed');
  ensureCache();
}

/** The one directory of the project that lab machines write to: jest’s transforms. */
function ensureCache() {
  mkdirSync(join('node_modules', '.cache'), { recursive: true });
}

async function compile() {
  const compiler = [process.execPath, join('node_modules', 'typescript', 'bin', 'tsc'), '-b'];
  if (!(await run('tsc -b', compiler))) fail('tsc -b failed');
  // So that what is tested and measured is what is installed.
  if (!(await run('bundles', [process.execPath, join('packages', 'cli', 'build.mjs')]))) fail('no bundles');
}

/**
 * Runs a command silently, but for a sign of life every few seconds; what it said is shown when it fails.
 * @returns whether it succeeded
 */
async function run(title, [program, ...words], options = {}) {
  const began = performance.now();
  let output = '';
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const stopTicking = tick(() => {
    const last = output.trimEnd().split('\n').at(-1) ?? '';
    return `${title}: ${Math.round((performance.now() - began) / 1000)} s  ${last.slice(0, 60)}`;
  });
  const status = await new Promise((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
  stopTicking();
  if (status !== 0) say(`${title}: status ${status}\n${output.trimEnd()}`);
  else if (performance.now() - began > 2000)
    say(`${title}: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return status === 0;
}

/** A line that changes on a terminal, a new line now and then elsewhere. */
function tick(line) {
  const { isTTY } = process.stderr;
  const interval = setInterval(
    () => {
      if (isTTY) process.stderr.write(`\r\u001b[K${line()}`);
      else say(line());
    },
    isTTY ? 1000 : 5000,
  );
  return () => {
    clearInterval(interval);
    if (isTTY) process.stderr.write('\r\u001b[K');
  };
}

/** On standard error: standard output is the work’s own. */
function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

function fail(message) {
  say(message);
  process.exit(1);
}

await main(process.argv[2]);
