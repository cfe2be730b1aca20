/** Containers that ask their own service, or one that runs beside them, by its virtual address. */
import { mkdtemp, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';
import {
  type Asker,
  BACKEND,
  BridgedNetwork,
  CONTAINERS_NETWORKS,
  GATEWAYS,
  OUTSIDE,
  PORT,
  VIPS,
} from './bridged-network.js';
import { run, Site, table } from './site.js';

const HTTP = '127.0.0.1:19783';
const FLAGS = ['--resync', '300ms', '--http-listen', HTTP];
const MASQUERADE = [...FLAGS, ...CONTAINERS_NETWORKS.flatMap((network) => ['--masquerade', network])];
const PROGRAMS = ['iptables', 'ip6tables'] as const;
const SILENCE = ['no answer', 'no answer'];
const BRIDGE_SYSCTLS = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'];

let network: BridgedNetwork;
let site: Site;

beforeAll(async () => {
  requireMachine();
  network = await BridgedNetwork.start();
});
beforeEach(async () => {
  const [ipv4, ipv6] = VIPS;
  site = await Site.make({
    'services/web/frontend': { ipv4, ipv6, tcp: 80, udp: 80 },
    'services/web/backends/self': { ipv4: BACKEND[0], ipv6: BACKEND[1], tcp: PORT, udp: PORT },
  });
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  await run('sysctl', ['-qw', 'net.ipv4.vs.conntrack=0']);
  for (const program of PROGRAMS)
    for (const name of ['nat', 'filter']) for (const verb of ['-F', '-X']) await run(program, ['-t', name, verb]);
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
});

/** The rules of ours, as iptables-save prints them. */
async function rules(program: (typeof PROGRAMS)[number]): Promise<string[]> {
  const { stdout } = await run(`${program}-save`);
  return stdout.split('\n').filter((line) => line.includes('CLUSTERF') && line.startsWith('-A'));
}

const NAT = ['-A POSTROUTING -j CLUSTERF-MASQUERADE'];
const WANTED = {
  iptables: [...NAT, '-A CLUSTERF-MASQUERADE -s 172.76.0.0/14 -m ipvs --vdir ORIGINAL --vmethod MASQ -j MASQUERADE'],
  ip6tables: [...NAT, '-A CLUSTERF-MASQUERADE -s fd70::/16 -m ipvs --vdir ORIGINAL --vmethod MASQ -j MASQUERADE'],
};

async function allRules() {
  return { iptables: await rules('iptables'), ip6tables: await rules('ip6tables') };
}

async function ready(agent: AgentProcess): Promise<AgentProcess> {
  await until('it is ready', async () => (await fetch(`http://${HTTP}/readyz`)).ok).catch((error: unknown) => {
    throw new Error(agent.text(), { cause: error });
  });
  return agent;
}

async function get(path: string): Promise<string> {
  return await (await fetch(`http://${HTTP}${path}`)).text();
}

/** Of the port of the bridge that the backend is at. */
async function hairpinMode(): Promise<string> {
  return (await readFile('/sys/class/net/to-self/brport/hairpin_mode', 'utf8')).trim();
}

/** By TCP and by UDP. */
async function expectSeenAs(asker: Asker, addresses: readonly string[]): Promise<void> {
  expect({ [asker]: await network.ask(asker) }).toEqual({ [asker]: [...addresses, ...addresses] });
}

/** Docker's rules between two networks, as version 20.10 makes them. */
async function isolate(program: (typeof PROGRAMS)[number]): Promise<void> {
  const add = async (words: string) => await run(program, words.split(' '));
  for (const chain of ['DOCKER-USER', 'DOCKER-ISOLATION-STAGE-1']) {
    await add(`-N ${chain}`);
    await add(`-A FORWARD -j ${chain}`);
  }
  await add('-A DOCKER-USER -j RETURN');
  await add('-A DOCKER-ISOLATION-STAGE-1 -i near ! -o near -j DROP');
  await add('-A DOCKER-ISOLATION-STAGE-1 -i far ! -o far -j DROP');
}

test('without --masquerade neither the container that is the backend nor one beside it gets an answer', async () => {
  await using agent = await ready(site.start(...FLAGS));
  for (const asker of ['self', 'neighbour'] as const) await expectSeenAs(asker, SILENCE);
  expect(await allRules()).toEqual({ iptables: [], ip6tables: [] });
  await agent.stop();
});

describe('with --masquerade', () => {
  test('containers get their answers, and the service sees this machine; from outside it sees the client', async () => {
    await using agent = await ready(site.start(...MASQUERADE));
    for (const asker of ['self', 'neighbour', 'stranger'] as const) await expectSeenAs(asker, GATEWAYS);
    await expectSeenAs('outside', OUTSIDE);
    expect(await allRules()).toEqual(WANTED);
    expect(agent.logged('masquerading rules set')).toHaveLength(2);
    await agent.stop();
  });

  test('what was there of the kernel setting it needs is shown, and what it is now', async () => {
    await using agent = await ready(site.start(...MASQUERADE));
    expect(JSON.parse(await get('/status'))).toMatchObject({
      sysctls: [{ name: 'net.ipv4.vs.conntrack', found: '0', wanted: '1', set: true }],
      masquerade: { networks: CONTAINERS_NETWORKS, families: { ipv4: true, ipv6: true }, drift: 0 },
    });
    await agent.stop();
  });

  describe('where bridges show their frames to iptables', () => {
    beforeAll(async () => {
      await run('modprobe', ['br_netfilter']);
      await run('sysctl', ['-qw', ...BRIDGE_SYSCTLS.map((name) => `${name}=1`)]);
    });
    afterAll(async () => {
      await run('sysctl', ['-qw', ...BRIDGE_SYSCTLS.map((name) => `${name}=0`)]);
    });

    test('a container reaches itself too, and its port is set back at the end, be it of another run', async () => {
      await using first = await ready(site.start(...MASQUERADE));
      await expectSeenAs('self', GATEWAYS);
      expect(await hairpinMode()).toBe('1');
      await first.stop('SIGKILL');
      await using second = await ready(site.start(...MASQUERADE, '--exit-unmasquerade'));
      await expectSeenAs('neighbour', GATEWAYS);
      await second.stop();
      expect(await hairpinMode()).toBe('0');
    });

    test('a container that has come since the last look reaches itself as soon as it is a destination', async () => {
      await site.remove('services/web/backends/self');
      await run('ip', ['link', 'set', 'to-self', 'nomaster']);
      await using agent = await ready(site.start(...MASQUERADE, '--resync', '0'));
      await run('ip', ['link', 'set', 'to-self', 'master', 'near']);
      await site.put({ 'services/web/backends/self': { ipv4: BACKEND[0], ipv6: BACKEND[1], tcp: PORT, udp: PORT } });
      await until('its port is set', async () => (await hairpinMode()) === '1');
      await until('it is the destination', async () => (await table()).length === 8);
      expect(await network.ask('self')).toEqual([...GATEWAYS, ...GATEWAYS]);
      await agent.stop();
    });
  });

  test('the answers pass Docker’s walls between its networks, and nothing else does', async () => {
    for (const program of PROGRAMS) await isolate(program);
    await using agent = await ready(site.start(...MASQUERADE));
    await expectSeenAs('stranger', GATEWAYS);
    expect(await rules('iptables')).toEqual([
      '-A CLUSTERF-REPLIES -s 172.76.0.0/14 -d 172.76.0.0/14 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT',
      '-A DOCKER-USER -j CLUSTERF-REPLIES',
      ...WANTED.iptables,
    ]);
    expect(await network.ask('stranger', BACKEND, PORT)).toEqual([...SILENCE, ...SILENCE]);
    await agent.stop();
  });

  test('rules that somebody flushed are put back and counted, and those of others are left alone', async () => {
    await using agent = await ready(site.start(...MASQUERADE));
    await run('iptables', ['-t', 'nat', '-F']);
    await run('iptables', ['-t', 'nat', '-A', 'POSTROUTING', '-s', '203.0.113.0/24', '-j', 'RETURN']);
    await until('they are back', async () => (await rules('iptables')).length === WANTED.iptables.length);
    expect(await allRules()).toEqual(WANTED);
    expect((await run('iptables-save', ['-t', 'nat'])).stdout).toContain('-A POSTROUTING -s 203.0.113.0/24 -j RETURN');
    const told = await until('it is told', () => agent.logged('somebody changed the masquerading rules: put right')[0]);
    expect(told).toMatchObject({ level: 'warn', family: 'ipv4' });
    const metrics = await get('/metrics');
    expect(metrics).toMatch(/^clusterf_ipvs_masquerade_drift_total 1$/m);
    expect(metrics).toMatch(/^clusterf_ipvs_masquerade_in_place\{family="ipv4"\} 1$/m);
    await agent.stop();
  });

  test('killed and restarted, also with other networks, it leaves one set of rules', async () => {
    await using first = await ready(site.start(...FLAGS, '--masquerade', '10.0.0.0/8', '--masquerade', 'fd00::/8'));
    await first.stop('SIGKILL');
    await using second = await ready(site.start(...MASQUERADE));
    expect(await allRules()).toEqual(WANTED);
    await second.stop('SIGKILL');
    await using third = await ready(site.start(...MASQUERADE));
    expect(third.logged('masquerading rules set')).toEqual([]);
    expect(await allRules()).toEqual(WANTED);
    expect(await third.stop()).toBe(0);
    // In the way of an upgrade.
    expect(await allRules()).toEqual(WANTED);
  });

  test('--exit-unmasquerade takes all of it away', async () => {
    for (const program of PROGRAMS) await isolate(program);
    await using agent = await ready(site.start(...MASQUERADE, '--exit-unmasquerade'));
    expect(await rules('ip6tables')).not.toEqual([]);
    expect(await agent.stop()).toBe(0);
    for (const program of PROGRAMS) expect((await run(`${program}-save`)).stdout).not.toContain('CLUSTERF');
  });

  test('--noop prints what it would do and writes nothing', async () => {
    const before = (await run('iptables-save', ['-t', 'nat'])).stdout.split('\n').filter((line) => !/^[#:]/.test(line));
    const agent = await site.once(...MASQUERADE, '--noop');
    expect(agent.output).toContain('set sysctl: net.ipv4.vs.conntrack = 1  # was 0');
    for (const [program, lines] of Object.entries(WANTED))
      for (const line of lines) expect(agent.output).toContain(`set rule: ${program} -t nat ${line}\n`);
    const after = (await run('iptables-save', ['-t', 'nat'])).stdout.split('\n').filter((line) => !/^[#:]/.test(line));
    expect(after).toEqual(before);
    expect(await allRules()).toEqual({ iptables: [], ip6tables: [] });
    expect((await run('sysctl', ['-n', 'net.ipv4.vs.conntrack'])).stdout.trim()).toBe('0');
  });

  test('where there is no iptables it says so, and everything else goes on', async () => {
    const programs = await mkdtemp(join(tmpdir(), 'clusterf-programs-'));
    await symlink(process.execPath, join(programs, 'node'));
    await using agent = await ready(
      new AgentProcess(
        'clusterf-ipvs',
        ['--config-source', site.source, '--state-dir', site.stateDirectory, ...FLAGS, '--masquerade', '172.76.0.0/14'],
        { PATH: programs },
      ),
    );
    expect((await table()).length).toBe(8);
    expect(JSON.parse(await get('/status'))).toMatchObject({
      problems: [
        {
          source: 'kernel',
          key: 'masquerade ipv4',
          message: 'there is no iptables-save here: install the package iptables',
        },
      ],
      masquerade: { families: { ipv4: false } },
    });
    await agent.stop();
  });
});
