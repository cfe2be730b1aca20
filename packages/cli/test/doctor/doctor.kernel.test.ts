/** Each thing broken for real, found by the command, and mended by what it prints. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../../../../test/fixtures/until.js';
import { projectRoot, requireMachine } from '../../../../test/lab/index.js';
import type { Finding } from '../../src/doctor/finding.js';

const run = promisify(execFile);

const NETNS = 'doctor';
const BIN = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');

let directory: string;

/** A shell's line in the namespace. */
async function sh(line: string): Promise<string> {
  const { stdout } = await run('ip', ['netns', 'exec', NETNS, 'sh', '-ec', line]);
  return stdout;
}

/** A balancer of its own: clients by c0, servers by s0, the virtual address on lo. Nothing is wrong with it. */
beforeEach(async () => {
  await run('ip', ['netns', 'add', NETNS]);
  await sh(`
    ip link set lo up; ip address add 10.0.0.1/32 dev lo
    ip link add c0 type dummy; ip address add 192.0.2.10/24 dev c0; ip link set c0 up
    ip link add s0 type dummy; ip address add 10.1.0.1/16 dev s0; ip link set s0 up
    ip link set dev c0 arp on; ip link set dev s0 arp on
    ip route add default via 192.0.2.1
    sysctl -qw net.ipv4.ip_forward=1
  `);
  directory = await mkdtemp(join(tmpdir(), 'clusterf-doctor-'));
  await put(WEB);
});
afterEach(async () => {
  await run('ip', ['netns', 'delete', NETNS]);
  await rm(directory, { recursive: true });
});
beforeAll(() => {
  requireMachine();
});

type Entries = Readonly<Record<string, unknown>>;

async function put(entries: Entries): Promise<void> {
  for (const [key, value] of Object.entries(entries)) {
    const file = join(directory, 'tree', key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(value));
  }
}

const WEB = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr' },
  'services/web/backends/a': { ipv4: '10.1.0.5', tcp: 8080 },
};
/** This machine takes what an edge sends it, for a container of its own. */
const HOST = (method: string, more: object = {}): Entries => ({
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80, host: 'host1' },
  'routes/host1': { Prefix: '172.17.0.0/16', Gateway: '10.1.0.1', IPVSMethod: method, ...more },
});
const QUIET = 'sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2';

interface Diagnosis {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  readonly stderr: string;
}

/** What every command here is told. */
function at(): readonly string[] {
  return ['--config-source', `file://${directory}/tree`, '--state-dir', join(directory, 'state')];
}

async function doctor(...flags: readonly string[]): Promise<Diagnosis> {
  const words = [BIN, 'doctor', '--for', 'ipvs', '-o', 'json', ...flags];
  const child = spawn('ip', ['netns', 'exec', NETNS, process.execPath, ...words, ...at()], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, findings: stdout === '' ? [] : JSON.parse(stdout), stderr };
}

function troubles({ findings }: Diagnosis, check: string): readonly Finding[] {
  return findings.filter((finding) => finding.check === check && finding.severity !== 'ok');
}

test('nothing but that the agent does not run is wrong with a machine that has what it needs', async () => {
  const { code, findings, stderr } = await doctor();
  expect(stderr).toBe('');
  expect(findings.filter(({ severity }) => severity !== 'ok').map(({ check }) => check)).toEqual(['clusterf-ipvs']);
  expect(code).toBe(0);
});

/** One thing that is broken, and what is then said of it. */
interface Fault {
  readonly broken: string;
  readonly check: string;
  readonly found: RegExp;
  readonly severity?: 'warn';
}

/** Faults that have nothing to do with each other: all at once, since every look takes seconds here. */
interface Scene {
  readonly entries?: Entries;
  /** What makes all well. */
  readonly before?: string;
  readonly flags?: readonly string[];
  readonly faults: readonly Fault[];
}

const UNFILTERED = 'sysctl -qw net.ipv4.conf.all.rp_filter=0';

test.each<[string, Scene]>([
  [
    'a balancer',
    {
      before:
        'sysctl -qw net.ipv4.vs.expire_nodest_conn=1 net.ipv4.vs.expire_quiescent_template=1 net.ipv4.vs.conn_reuse_mode=3',
      flags: ['--profile', 'standalone', '--sysctl', 'net.ipv4.vs.sync_threshold=0 0'],
      faults: [
        { broken: 'sysctl -qw net.ipv4.ip_forward=0', check: 'forwarding', found: /net\.ipv4\.ip_forward is 0/ },
        { broken: 'iptables -P FORWARD DROP', check: 'FORWARD', found: /policy DROP .* 10\.1\.0\.5:8080 \(s0\)/ },
        { broken: 'iptables -P INPUT DROP', check: 'INPUT', found: /drops packets to tcp 10\.0\.0\.1:80/ },
        {
          broken: 'ip address del 10.0.0.1/32 dev lo',
          check: 'virtual addresses',
          found: /no device of this machine has 10\.0\.0\.1/,
        },
        {
          broken: 'sysctl -qw net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.sync_threshold="3 50"',
          check: 'kernel settings',
          found:
            /expire_nodest_conn is 0; the profile standalone wants 1\n.*sync_threshold is 3 50; the profile standalone wants 0 0/,
          severity: 'warn',
        },
      ],
    },
  ],
  [
    'an edge balancer with tunnels, and an address where it is not to be',
    {
      entries: {
        'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr', method: 'tunnel' },
        'services/web/backends/a': { ipv4: '10.1.0.5', tcp: 80 },
      },
      flags: ['--vip-interface', 'clusterf0'],
      faults: [
        {
          broken: 'ip link set s0 mtu 1500',
          check: 'tunnel MTU',
          found: /s0 takes 1500 bytes; whole packets to web in their tunnel are 1520/,
          severity: 'warn',
        },
        {
          broken: 'true',
          check: 'virtual addresses',
          found: /another device than clusterf0 has 10\.0\.0\.1 \(lo\)/,
          severity: 'warn',
        },
      ],
    },
  ],
  [
    'a host behind tunnels',
    {
      entries: HOST('tunnel', { Tunnel: { type: 'gue', port: 6080 } }),
      before: `${QUIET}; modprobe ipip; ${UNFILTERED}`,
      faults: [
        {
          broken: 'sysctl -qw net.ipv4.conf.all.arp_ignore=0',
          check: 'ARP',
          found: /answers for 10\.0\.0\.1/,
          severity: 'warn',
        },
        { broken: 'ip link set tunl0 down', check: 'tunnels', found: /device tunl0 is not up/ },
        { broken: 'true', check: 'tunnels', found: /UDP port 6080 is not opened for gue/ },
        {
          broken: 'sysctl -qw net.ipv4.conf.tunl0.rp_filter=2',
          check: 'source filter',
          found: /rp_filter of tunl0 is 2/,
        },
      ],
    },
  ],
  [
    'a host behind direct routing',
    {
      entries: HOST('droute'),
      before: QUIET,
      faults: [
        {
          broken: `${UNFILTERED}; sysctl -qw net.ipv4.conf.s0.rp_filter=1`,
          check: 'source filter',
          found: /rp_filter of s0 is 1, and the way back to most clients is c0/,
          severity: 'warn',
        },
      ],
    },
  ],
])(
  '%s: what is wrong with it is found, and mended by what is printed',
  async (_, { entries = {}, before = 'true', flags = [], faults }) => {
    await put(entries);
    await sh(before);
    for (const { broken } of faults) await sh(broken);
    const ill = await doctor(...flags);
    for (const { check, found, severity = 'fail' } of faults)
      expect(troubles(ill, check)).toContainEqual(
        expect.objectContaining({ severity, found: expect.stringMatching(found) }),
      );
    expect(ill.code).toBe(faults.every(({ severity }) => severity === 'warn') ? 0 : 1);
    for (const check of new Set(faults.map((fault) => fault.check)))
      for (const { mend = 'false' } of troubles(ill, check)) await sh(mend);
    const { findings } = await doctor(...flags);
    const left = findings.filter(({ severity }) => severity !== 'ok').map(({ check }) => check);
    expect(left).toEqual(['clusterf-ipvs']);
  },
);

/** Nobody may have a table meanwhile. */
async function unload(): Promise<void> {
  await until('ip_vs is unloaded', async () => {
    await run('ipvsadm', ['-C']); // What tests before left in the machine's own.
    const users = await readdir('/sys/module/ip_vs/holders').catch(() => []);
    await run('modprobe', ['-r', ...users, 'ip_vs']);
    return true;
  });
}

describe('kernel modules', () => {
  const modules = '/lib/modules/$(uname -r)';

  test('ip_vs that is not loaded is loaded by what is printed, and not by looking', async () => {
    await unload();
    const ill = await doctor();
    expect(troubles(ill, 'kernel modules')).toEqual([
      expect.objectContaining({ severity: 'fail', found: 'ip_vs is not loaded' }),
    ]);
    expect(await sh('cat /proc/modules')).not.toMatch(/^ip_vs /m);
    await sh(troubles(ill, 'kernel modules')[0]?.mend ?? 'false');
    expect(troubles(await doctor(), 'kernel modules')).toEqual([]);
    expect(await sh('cat /etc/modules-load.d/clusterf.conf')).toBe('ip_vs\n');
  });

  test('a scheduler that the kernel does not have is given up by what is printed', async () => {
    await put({ 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'mh' } });
    await sh(`modprobe -r ip_vs_mh; sed -i.before /ip_vs_mh/d ${modules}/modules.dep`);
    try {
      const ill = await doctor();
      expect(troubles(ill, 'kernel modules')).toEqual([
        expect.objectContaining({
          severity: 'fail',
          found: expect.stringMatching(/no scheduler mh .* which web asks for/),
        }),
      ]);
      const [line = 'false'] = (troubles(ill, 'kernel modules')[0]?.mend ?? '').split('\n');
      await sh(line.replace(/^clusterf /, `${process.execPath} ${BIN} `));
      expect(troubles(await doctor(), 'kernel modules')).toEqual([]);
    } finally {
      await sh(`mv ${modules}/modules.dep.before ${modules}/modules.dep`);
    }
  });
});

/** In the namespace, by the same way as everything here. */
function agent(...flags: readonly string[]) {
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs');
  const child = spawn('ip', ['netns', 'exec', NETNS, process.execPath, bin, ...at(), ...flags], { stdio: 'ignore' });
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

describe('the agent', () => {
  test('that runs is healthy and ready, and of the same version', async () => {
    await using _ = agent();
    const diagnosis = await until(
      'it is ready',
      async () => {
        const found = await doctor();
        return (
          found.findings.some(
            ({ check, found: said }) => check === 'clusterf-ipvs' && /healthy and ready/.test(said),
          ) && found
        );
      },
      60_000,
    );
    expect(diagnosis.code).toBe(0);
    expect(diagnosis.findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
  });

  test('that listens to nobody is known by its lock', async () => {
    await using running = agent('--http-listen', 'none');
    const diagnosis = await until(
      'it has its lock',
      async () => {
        const found = await doctor();
        return /keeps the kernel/.test(troubles(found, 'clusterf-ipvs')[0]?.found ?? '') && found;
      },
      60_000,
    );
    const [trouble] = troubles(diagnosis, 'clusterf-ipvs');
    expect(trouble).toMatchObject({
      severity: 'warn',
      found: expect.stringMatching(new RegExp(`^process ${running.child.pid} `)),
    });
    expect(await sh(trouble?.mend ?? 'false')).toMatch(/clusterf-ipvs.*--http-listen none/);
  });

  test('whose port somebody else has is told', async () => {
    const stranger = spawn(
      'ip',
      [
        'netns',
        'exec',
        NETNS,
        process.execPath,
        '-e',
        "require('node:http').createServer((_, a) => a.end('hi')).listen(9780, '127.0.0.1')",
      ],
      { stdio: 'ignore' },
    );
    try {
      const diagnosis = await until(
        'it listens',
        async () => {
          const found = await doctor();
          return /somebody else/.test(troubles(found, 'clusterf-ipvs')[0]?.found ?? '') && found;
        },
        60_000,
      );
      expect(diagnosis.code).toBe(1);
      expect(await sh(troubles(diagnosis, 'clusterf-ipvs')[0]?.mend ?? 'false')).toMatch(/127\.0\.0\.1:9780/);
    } finally {
      stranger.kill();
      await once(stranger, 'exit');
    }
  });

  test('without rights finds out less, and says so', async () => {
    const words = `setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs ${process.execPath} ${BIN} doctor --for ipvs -o json ${at().join(' ')}`;
    const stdout = await sh(`chmod -R a+rX ${directory}; ${words} || true`);
    const findings: readonly Finding[] = JSON.parse(stdout);
    expect(findings.find(({ check }) => check === 'privileges')).toMatchObject({ severity: 'fail' });
    expect(findings.find(({ check }) => check === 'state directory')).toMatchObject({
      severity: 'fail',
      found: expect.stringMatching(/EACCES/),
    });
  });

  test('whose configuration file makes no sense is told by its own words', async () => {
    const file = join(directory, 'ipvs.json');
    await writeFile(file, JSON.stringify({ profile: 'fast' }));
    const diagnosis = await doctor('--ipvs-config', file);
    expect(troubles(diagnosis, 'options')).toEqual([
      expect.objectContaining({
        severity: 'fail',
        found: expect.stringMatching(/^clusterf-ipvs: --profile: "fast" .*ipvs\.json/),
      }),
    ]);
  });

  test('’s configuration file says what is wanted', async () => {
    const file = join(directory, 'ipvs.json');
    await writeFile(file, JSON.stringify({ sysctl: ['net.ipv4.vs.sloppy_tcp=1'] }));
    await sh('sysctl -qw net.ipv4.vs.sloppy_tcp=0');
    expect(troubles(await doctor('--ipvs-config', file), 'kernel settings')).toEqual([
      expect.objectContaining({ mend: 'sysctl -w net.ipv4.vs.sloppy_tcp=1' }),
    ]);
  });
});
