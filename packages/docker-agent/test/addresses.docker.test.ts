/** Where the agent says that a container is reached, for each kind of network that a real Docker has. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { until } from '../../../test/fixtures/until.js';
import { projectRoot } from '../../../test/lab/project.js';
import { parseAllowedFrontend } from '../src/allowed-frontends.js';
import type { Engine } from '../src/container.js';
import { connectDocker } from '../src/docker.js';
import type { Explanation } from '../src/explain.js';
import { explainContainer, type ExplainOptions } from '../src/explain-container.js';
import { Observer, OPTIONS, PATIENCE } from './observer.js';

const HOST = {
  ipv4: { value: '192.0.2.11', from: '--host-address' },
  ipv6: { value: '2001:db8::11', from: '--host-address' },
} as const;

let dockerd: Dockerd;
let engine: Engine;

beforeAll(async () => {
  dockerd = await startDockerd();
  engine = connectDocker(dockerd.endpoint, {});
  await dockerd.docker('network', 'create', '--subnet', '10.81.0.0/24', 'zfront');
  await dockerd.docker('network', 'create', '--subnet', '10.82.0.0/24', 'back');
  await dockerd.docker('network', 'create', '--ipv6', '--subnet', '10.83.0.0/24', '--subnet', 'fd83::/64', 'six');
  const parent = ['--opt', 'parent=docker0'];
  await dockerd.docker('network', 'create', '--driver', 'macvlan', '--subnet', '10.84.0.0/24', ...parent, 'lan');
});
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

/** Runs a container of a service of its own name. */
function run(name: string, ...args: readonly string[]): Promise<string> {
  const labels = ['--label', `clusterf.service=${name}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', name, ...labels, ...args]);
}

function ask(name: string, options: Partial<ExplainOptions> = {}): Promise<Explanation> {
  return explainContainer(name, engine, { ...OPTIONS, minUptime: 0, ...options }, AbortSignal.timeout(PATIENCE));
}

/** What would be registered, of where it is reached; else why nothing would. */
async function reached(name: string, options: Partial<ExplainOptions> = {}): Promise<unknown> {
  const [service] = (await ask(name, options)).services;
  if (service?.backend.value === undefined) return service?.backend.refusal;
  const { ipv4, ipv6, tcp }: Record<string, unknown> = JSON.parse(service.backend.value);
  return { ipv4, ipv6, tcp };
}

/** What the container itself has, by its own `ip`: a second opinion. */
async function owns(name: string, address: unknown): Promise<boolean> {
  const addresses = await dockerd.docker('exec', name, '/bin/busybox', 'ip', 'address');
  return addresses.includes(` ${String(address)}/`);
}

describe('the container’s own address', () => {
  test.each<[string, readonly string[], object]>([
    ['the default bridge', [], { ipv4: expect.stringMatching(/^172\./) }],
    ['a bridge of one’s own', ['--network', 'back'], { ipv4: '10.82.0.50' }],
    ['a bridge with IPv6', ['--network', 'six', '--ip6', 'fd83::50'], { ipv4: '10.83.0.50', ipv6: 'fd83::50' }],
    ['macvlan', ['--network', 'lan'], { ipv4: '10.84.0.50' }],
  ])('on %s', async (title, args, expected) => {
    const name = `own-${title.replace(/\W+/g, '-')}`;
    const subnet = { back: '10.82.0', six: '10.83.0', lan: '10.84.0' }[args[1] ?? ''];
    await run(name, ...args, ...(subnet === undefined ? [] : ['--ip', `${subnet}.50`]));
    const at = await reached(name);
    expect(at).toEqual({ tcp: 80, ...expected });
    for (const address of Object.values(Object(at)).filter((each) => typeof each === 'string')) {
      expect(await owns(name, address)).toBe(true);
    }
  });

  test('on two networks: the one it was created on, by name or by id, unless label or option say otherwise', async () => {
    const id = await dockerd.docker('network', 'inspect', '--format', '{{.Id}}', 'zfront');
    await run('two', '--network', 'zfront', '--ip', '10.81.0.60');
    await run('two-by-id', '--network', id, '--ip', '10.81.0.61');
    for (const name of ['two', 'two-by-id']) await dockerd.docker('network', 'connect', 'back', name);
    expect(await reached('two')).toMatchObject({ ipv4: '10.81.0.60' });
    expect(await reached('two-by-id')).toMatchObject({ ipv4: '10.81.0.61' });
    expect(await reached('two', { network: 'back' })).toMatchObject({ ipv4: expect.stringMatching(/^10\.82\.0\./) });
    await run('labelled', '--network', 'zfront', '--label', 'clusterf.backend.network=back');
    expect(await reached('labelled')).toBe('the container has no address on "back"; expected one of: zfront');
    await dockerd.docker('network', 'connect', '--ip', '10.82.0.61', 'back', 'labelled');
    expect(await reached('labelled')).toMatchObject({ ipv4: '10.82.0.61' });
  });

  test('on no network: none, and it is said', async () => {
    await run('none', '--network', 'none');
    expect(await reached('none')).toContain('the container has no network');
  });
});

describe('the host’s address', () => {
  test('for a container on the host’s network', async () => {
    await run('onhost', '--network', 'host');
    expect(await reached('onhost', { hostAddresses: HOST })).toEqual({
      ipv4: '192.0.2.11',
      ipv6: '2001:db8::11',
      tcp: 80,
    });
    expect(await reached('onhost')).toContain('expected --host-address');
  });

  const publish = ['--label', 'clusterf.backend.publish=true'];

  test.each<[string, string, unknown]>([
    ['of both families', '8081:80', { ipv4: '192.0.2.11', ipv6: '2001:db8::11', tcp: 8081 }],
    ['of one family', '0.0.0.0:8082:80', { ipv4: '192.0.2.11', tcp: 8082 }],
    ['of the other family', '[::]:8083:80', { ipv6: '2001:db8::11', tcp: 8083 }],
    ['on loopback', '127.0.0.1:8084:80', 'none of its ports can be reached at the host'],
    ['but another', '8085:81', 'none of its ports can be reached at the host'],
  ])('for a published port %s', async (title, port, expected) => {
    const name = `published-${title.replace(/\W+/g, '-')}`;
    await run(name, ...publish, '--publish', port);
    expect(await reached(name, { hostAddresses: HOST })).toEqual(expected);
  });

  test('for a published port that Docker chose: IPv4’s, should it have chosen another for IPv6', async () => {
    // One for IPv4 alone, and Docker's next for the two families differ.
    await run('random-4', ...publish, '--publish', '0.0.0.0::80');
    await run('random', ...publish, '--publish', '80');
    const lines = (await dockerd.docker('port', 'random', '80/tcp')).split('\n');
    const port = Number(
      lines
        .find((line) => line.startsWith('0.0.0.0:'))
        ?.split(':')
        .at(-1),
    );
    expect(await reached('random', { hostAddresses: HOST })).toMatchObject({ ipv4: '192.0.2.11', tcp: port });
  });

  test('of a port published on macvlan there is none, and it is said', async () => {
    await run('published-lan', ...publish, '--network', 'lan', '--publish', '8086:80');
    const { services } = await ask('published-lan', { hostAddresses: HOST });
    expect(services[0]?.backend.problems).toEqual([
      { label: 'backend.publish', message: expect.stringContaining('port 80/tcp is not published') },
    ]);
  });
});

describe('the address of another container, whose network it uses', () => {
  test('followed through to its owner, until that one is started anew', async () => {
    await dockerd.runContainer(['--name', 'owner', '--network', 'back', '--ip', '10.82.0.70', '--publish', '8070:80']);
    await run('sharing', '--network', 'container:owner', '--label', 'clusterf.backend.weight=3');
    await run('sharing-again', '--network', 'container:sharing', '--label', 'clusterf.backend.publish=true');
    expect(await reached('sharing')).toEqual({ ipv4: '10.82.0.70', tcp: 80 });
    expect(await owns('sharing', '10.82.0.70')).toBe(true);
    expect(await reached('sharing-again', { hostAddresses: HOST })).toMatchObject({ ipv4: '192.0.2.11', tcp: 8070 });

    await dockerd.docker('restart', '--time', '0', 'owner');
    expect(await owns('sharing', '10.82.0.70')).toBe(false);
    expect(await reached('sharing')).toContain(
      'sharing was started before owner, whose network it uses, and is cut off',
    );
    await dockerd.docker('stop', '--time', '0', 'owner');
    expect(await reached('sharing')).toContain('which is exited');
  });
});

test('routes come with a network that is created, IPv6 and all, and go with it', async () => {
  await using observer = new Observer(dockerd.endpoint, {
    routeNetworks: ['late'],
    routeGateway4: 'host',
    routeMethod: 'tunnel',
    hostAddresses: HOST,
  });
  await observer.listed();
  const routes = () =>
    Object.fromEntries([...(observer.registered?.entries ?? [])].filter(([key]) => key.startsWith('routes/')));
  expect(routes()).toEqual({});
  await dockerd.docker('network', 'create', '--ipv6', '--subnet', '10.85.0.0/24', '--subnet', 'fd85::/64', 'late');
  await until('the new network has routes', () => Object.keys(routes()).length > 0, PATIENCE);
  expect(routes()).toEqual({
    'routes/host1-late-ipv4': '{"Prefix":"10.85.0.0/24","Gateway":"192.0.2.11","IPVSMethod":"tunnel"}',
    'routes/host1-late-ipv6': '{"Prefix":"fd85::/64","IPVSMethod":"tunnel"}',
  });
  await dockerd.docker('network', 'rm', 'late');
  await until('the network and its routes are gone', () => Object.keys(routes()).length === 0, PATIENCE);
});

/** What a fresh network namespace, set up by a script of `ip` commands, makes of a container on the host's network. */
async function explainedIn(script: string): Promise<string> {
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-docker.cjs');
  const agent = [process.execPath, bin, `--docker-endpoint=${dockerd.endpoint}`, '--explain=routed'];
  const { stdout } = await promisify(execFile)('unshare', [
    '--net',
    'sh',
    '-ec',
    `${script}; exec "$@"`,
    'sh',
    ...agent,
  ]);
  return stdout;
}

describe('the host’s address, where no option gives it,', () => {
  test('is what the default routes send from, and none where there are none', async () => {
    await run('routed', '--network', 'host');
    const up = 'ip link set lo up';
    expect(await explainedIn(up)).toContain("the host's address is not known");
    const four = `${up}; ip address add 198.51.100.7/32 dev lo; ip route add default dev lo src 198.51.100.7`;
    expect(await explainedIn(four)).toContain('  ipv4     198.51.100.7  source address of the default route\n');
    const six = `${four}; ip address add 2001:db8:7::7/128 dev lo; ip -6 route add default dev lo src 2001:db8:7::7`;
    expect(await explainedIn(six)).toContain('{"ipv4":"198.51.100.7","ipv6":"2001:db8:7::7","tcp":80,');
  });
});

describe('clusterf-docker --explain', () => {
  const options = ['--host-name=host1', '--host-address=192.0.2.11'];

  test('says why a container is a backend and has its frontend, by name and by the beginning of its id', async () => {
    const frontend = ['--label', 'clusterf.frontend.ipv4=10.107.1.1', '--label', 'clusterf.frontend.tcp=80'];
    const id = await run('said', '--network', 'back', '--ip', '10.82.0.80', ...frontend);
    for (const name of ['said', id.slice(0, 12)]) {
      await using agent = new AgentProcess('clusterf-docker', [
        `--docker-endpoint=${dockerd.endpoint}`,
        ...options,
        '--allow-frontend=10.107.0.0/16:80',
        `--explain=${name}`,
      ]);
      expect(await agent.exit()).toBe(0);
      expect(agent.output).toBe(`said (${id.slice(0, 12)})

said: backend {"ipv4":"10.82.0.80","tcp":80,"weight":10,"host":"host1","container":"said"}
  in the tree: services/said/backends/${id}
  state    running     Docker
  health   none        no HEALTHCHECK
  weight   10          default
  tcp      80          clusterf.backend.tcp
  network  back        the only one
  ipv4     10.82.0.80  network back
said: frontend {"ipv4":"10.107.1.1","tcp":80}
  in the tree: services/said/frontend
  frontend ipv4  10.107.1.1  clusterf.frontend.ipv4
  frontend tcp   80          clusterf.frontend.tcp
`);
    }
  });

  test('knows of an older container that asks for another frontend', async () => {
    const tcp = ['--label', 'clusterf.frontend.tcp=80'];
    await run('older', ...tcp, '--label', 'clusterf.frontend.ipv4=10.107.2.1');
    await dockerd.runContainer([
      '--name',
      'newer',
      '--label',
      'clusterf.service=older',
      '--label',
      'clusterf.frontend.ipv4=10.107.2.2',
      ...tcp,
    ]);
    const range = parseAllowedFrontend('10.107.0.0/16');
    const { services } = await ask('newer', { allowFrontend: range.ok ? [range.value] : [] });
    expect(services[0]?.frontend?.refusal).toContain('which older asks for and was created first');
  });

  test('knows of one that was told to stop, and has not stopped', async () => {
    await run('stubborn');
    // The first process of a container ignores what it does not handle.
    await dockerd.docker('kill', '--signal=HUP', 'stubborn');
    expect((await ask('stubborn')).services[0]?.backend.value).toContain('"weight":10');
    await dockerd.docker('kill', '--signal=TERM', 'stubborn');
    const [service] = (await ask('stubborn')).services;
    expect(service?.backend.value).toContain('"weight":0');
    expect(service?.backend.facts).toContainEqual({
      what: 'weight',
      value: '0',
      from: 'told to stop; otherwise 10 by default',
    });
  });

  test('knows of one that has not run for --min-uptime, and of others that have not', async () => {
    const range = parseAllowedFrontend('10.107.0.0/16');
    const allowFrontend = range.ok ? [range.value] : [];
    const frontend = ['--label', 'clusterf.frontend.tcp=80', '--label'];
    await run('young', ...frontend, 'clusterf.frontend.ipv4=10.107.3.1');
    const young = await ask('young', { allowFrontend, minUptime: 3_600_000 });
    const refusal = expect.stringMatching(/^it has run for \d+s since its last start; expected --min-uptime, 1h$/);
    expect(young.services).toMatchObject([{ backend: { refusal }, frontend: { refusal } }]);
    expect(young.services[0]?.backend).not.toHaveProperty('value');
    // Both are, so that neither has its way with the frontend yet; the one asked about is shown what it would have.
    const other = ['--name', 'younger', '--label', 'clusterf.service=young', '--label', 'clusterf.backend.tcp=80'];
    await dockerd.runContainer([...other, ...frontend, 'clusterf.frontend.ipv4=10.107.3.2']);
    const [younger] = (await ask('younger', { allowFrontend, minUptime: 3_600_000 })).services;
    expect(younger?.frontend).toMatchObject({ refusal, problems: [] });
  });

  test.each([
    ['a container that is not there', ['--explain=nobody'], 1, 'Docker has no container "nobody"'],
    [
      'two addresses of one family',
      ['--host-address=192.0.2.12', '--explain=said'],
      2,
      'one IPv4 and one IPv6 address',
    ],
  ])('refuses %s', async (_title, more, code, message) => {
    await using agent = new AgentProcess('clusterf-docker', [
      `--docker-endpoint=${dockerd.endpoint}`,
      ...options,
      ...more,
    ]);
    expect(await agent.exit()).toBe(code);
    expect(agent.log.map((line) => line.message).join('\n')).toContain(message);
  });
});
