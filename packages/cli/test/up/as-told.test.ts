import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type CommandSpec, type Environment, parseOptions } from '@clusterf/daemon';
import { command as explain } from '../../src/explain/index.js';
import { command as plan } from '../../src/plan/index.js';
import { asUpIsTold, IN_MEMORY, type OptionsWithin } from '../../src/up/as-told.js';
import { upArguments } from '../../src/up/arguments.js';
import { balancerOptions, command, dockerAgentOptions, treePlace } from '../../src/up/command.js';
import type { RunningUp } from '../../src/up/running.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-as-told-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** As explain and plan have it. */
const HOST: OptionsWithin = (options, { registry = IN_MEMORY }) => dockerAgentOptions(options, registry);
const BALANCER: OptionsWithin = (options, { registry, sources }) =>
  balancerOptions(options, registry === undefined ? [IN_MEMORY, ...sources] : sources);

async function file(content: object): Promise<string> {
  const path = join(directory, 'up.json');
  await writeFile(path, JSON.stringify(content));
  return path;
}

async function running(...argv: readonly string[]): Promise<RunningUp> {
  const parsed = await parseOptions(command, argv, {});
  if (parsed.kind !== 'run') throw new Error('there is nothing to run');
  return { pid: 77, options: parsed.options, place: treePlace(parsed.options), memory: new Map() };
}

/** The options that a command comes to have. */
async function told(
  spec: CommandSpec,
  argv: readonly string[],
  up?: RunningUp,
  env: Environment = {},
): Promise<Readonly<Record<string, unknown>>> {
  const result = await asUpIsTold(spec, { argv, env }, spec === plan ? BALANCER : HOST, async () => up);
  const parsed = await parseOptions(spec, result.argv, result.env);
  if (parsed.kind !== 'run') throw new Error('there is nothing to run');
  return parsed.options;
}

const FILE = {
  'allow-frontend': ['10.107.0.0/16'],
  'state-dir': '/var/lib/clusterf',
  profile: 'none',
  'drain-timeout': '90s',
  network: 'web',
};

describe('the configuration file of clusterf up', () => {
  test('serves a command that has but some of its options', async () => {
    const path = await file(FILE);
    for (const argv of [['--config', path], [`--config=${path}`]])
      expect(await told(explain, argv)).toMatchObject({
        allowFrontend: ['10.107.0.0/16'],
        network: 'web',
        configSource: IN_MEMORY,
      });
    expect(await told(explain, [], undefined, { CLUSTERF_CONFIG: path })).toMatchObject({ network: 'web' });
    expect(await told(plan, ['--config', path])).toMatchObject({
      stateDir: '/var/lib/clusterf',
      drainTimeout: 90_000,
      vipInterface: 'clusterf0',
      profile: undefined,
      configSource: [IN_MEMORY],
    });
  });

  test('names the etcd that it joins', async () => {
    const path = await file({ ...FILE, etcd: 'h1,h2/p', 'config-source': ['file:///t'] });
    expect(await told(explain, ['--config', path])).toMatchObject({ configSource: 'etcd://h1,h2/p' });
    expect(await told(plan, ['--config', path])).toMatchObject({ configSource: ['etcd://h1,h2/p', 'file:///t'] });
  });

  test('gives way to the command line and the environment, lists too', async () => {
    const path = await file(FILE);
    const line = ['--config', path, '--allow-frontend', '10.0.0.0/8', '--config-source', 'etcd://h'];
    expect(await told(explain, line, undefined, { CLUSTERF_NETWORK: 'lan' })).toMatchObject({
      allowFrontend: ['10.0.0.0/8'],
      configSource: 'etcd://h',
      network: 'lan',
    });
  });

  test('is refused for an option that nobody has', async () => {
    const path = await file({ ...FILE, allowfrontend: [] });
    await expect(told(explain, ['--config', path])).rejects.toThrow(/up\.json: unknown option "allowfrontend"/);
  });
});

describe('a clusterf up that runs here', () => {
  test('has what is given neither to the command nor in its file', async () => {
    const up = await running('--allow-frontend', '10.107.0.0/16', '--network', 'web', '--ipvs-fwd-method', 'tunnel');
    expect(await told(explain, [], up)).toMatchObject({
      allowFrontend: ['10.107.0.0/16'],
      network: 'web',
      ipvsFwdMethod: 'tunnel',
      configSource: IN_MEMORY,
    });
    const path = await file({ 'allow-frontend': ['10.0.0.0/8'] });
    expect(await told(explain, ['--config', path, '--fwd-method=masq'], up)).toMatchObject({
      allowFrontend: ['10.0.0.0/8'],
      network: 'web',
      ipvsFwdMethod: 'masq',
    });
  });

  test('that is in a cluster says where its etcd is', async () => {
    expect(await told(explain, [], await running('--etcd', 'h1'))).toMatchObject({ configSource: 'etcd://h1' });
  });

  test('that is none leaves the command as it is', async () => {
    expect(await told(explain, [])).toMatchObject({ allowFrontend: [], configSource: 'etcd:' });
  });

  test('is told by the arguments that another one would need to be told the same', async () => {
    const argv = [
      '--allow-frontend=10.107.0.0/16',
      '--allow-frontend=fwmark:7',
      '--drain-timeout=1m30s',
      '--adopt=true',
    ];
    const { options } = await running(...argv);
    expect((await upArguments(options)).toSorted()).toEqual(argv.toSorted());
  });
});
