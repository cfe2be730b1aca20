import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, UsageError } from '../src/errors.js';
import { defineCommand } from '../src/option-types.js';
import { parseOptions } from '../src/options.js';

const command = defineCommand({
  command: 'clusterf-test',
  summary: 'Tests options.',
  version: '1.2.3',
  options: {
    ttl: { type: 'duration', default: '10s', alias: 'etcd-ttl', group: 'etcd', describe: 'time to live' },
    noop: { type: 'boolean', alias: 'ipvs-noop', group: 'running', describe: 'write nothing' },
    weight: { type: 'integer', min: 0, max: 65_535, default: 10, group: 'running', describe: 'weight' },
    share: {
      type: 'number',
      check: (value) => (value <= 1 ? undefined : 'at most 1'),
      group: 'running',
      describe: 'share',
    },
    method: { type: 'choice', choices: ['masq', 'droute'], group: 'running', describe: 'method' },
    'config-source': {
      type: 'list',
      check: (url) => (url.includes('://') ? undefined : 'a URL'),
      group: 'etcd',
      describe: 'where from',
    },
    'host-name': {
      type: 'string',
      check: (name) => (name.includes('/') ? 'a name without /' : undefined),
      defaultText: 'the host name',
      group: 'etcd',
      describe: 'this host',
    },
  },
});

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'options-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function file(content: unknown): Promise<string> {
  const path = join(directory, 'config.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function options(argv: readonly string[], env = {}) {
  const parsed = await parseOptions(command, argv, env);
  if (parsed.kind !== 'run') throw new Error('options were expected');
  return parsed.options;
}

async function help(): Promise<string> {
  const parsed = await parseOptions(command, ['--help'], {});
  return parsed.kind === 'print' ? parsed.text : '';
}

describe('where a value comes from', () => {
  test('defaults apply where nothing is said', async () => {
    expect(await options([])).toEqual({
      ttl: 10_000,
      noop: false,
      debug: false,
      weight: 10,
      share: undefined,
      method: undefined,
      configSource: [],
      hostName: undefined,
      logLevel: 'info',
      logFormat: 'auto',
    });
  });

  test('the file overrides defaults, the environment the file, the command line all', async () => {
    const path = await file({ ttl: '1s', weight: 1, noop: true, 'log-level': 'debug' });
    const env = { CLUSTERF_TTL: '2s', CLUSTERF_WEIGHT: '2' };
    expect(await options(['--config', path, '--ttl', '3s'], env)).toMatchObject({
      ttl: 3_000,
      weight: 2,
      noop: true,
      logLevel: 'debug',
    });
  });

  test('the environment may name the file', async () => {
    expect(await options([], { CLUSTERF_CONFIG: await file({ weight: 5 }) })).toMatchObject({ weight: 5 });
  });

  test('old names work in all three places', async () => {
    expect(await options(['--etcd-ttl=1m30s', '--ipvs-noop'])).toMatchObject({ ttl: 90_000, noop: true });
    expect(await options([], { CLUSTERF_ETCD_TTL: '5', CLUSTERF_IPVS_NOOP: 'true' })).toMatchObject({
      ttl: 5_000,
      noop: true,
    });
    expect(await options(['--config', await file({ 'etcd-ttl': 3 })])).toMatchObject({ ttl: 3_000 });
  });

  test('a list is repeated on the command line, spaced in the environment, an array in a file', async () => {
    const list = ['etcd://a,b/x', 'file:///y'];
    expect(await options(list.flatMap((url) => ['--config-source', url]))).toMatchObject({ configSource: list });
    expect(await options([], { CLUSTERF_CONFIG_SOURCE: ' etcd://a,b/x  file:///y ' })).toMatchObject({
      configSource: list,
    });
    expect(await options(['--config', await file({ 'config-source': list })])).toMatchObject({ configSource: list });
  });

  test('of an option given twice the last counts', async () => {
    expect(await options(['--weight', '1', '--weight=2'])).toMatchObject({ weight: 2 });
    expect(await options(['--noop', '--noop=false'])).toMatchObject({ noop: false });
  });

  test.each([
    [['--noop'], true],
    [['--noop=true'], true],
    [['--noop', 'true'], true],
    [['--noop=false'], false],
    [['--noop', 'false'], false],
    [['--no-noop'], false],
  ])('switches are written %j', async (argv, noop) => {
    expect(await options(argv)).toMatchObject({ noop });
  });

  test('other programs’ variables and unknown ones of ours are nobody’s business', async () => {
    expect(await options([], { CLUSTERF_BRAKE: '50%', PATH: '/bin' })).toMatchObject({ weight: 10 });
  });
});

describe('what is refused', () => {
  test.each<[readonly string[], Record<string, string>, string]>([
    [['--wieght', '1'], {}, 'unknown option --wieght'],
    [['-x'], {}, 'unknown option -x'],
    [['--weight'], {}, 'option --weight needs a value'],
    [['--ttl', '--noop'], {}, 'option --ttl needs a value'],
    [['stray'], {}, 'unexpected argument "stray": clusterf-test takes options only'],
    [['--weight', '70000'], {}, '--weight: "70000" (on the command line) is not a whole number from 0 to 65535'],
    [['--weight=-1'], {}, '--weight: "-1" (on the command line) is not a whole number from 0 to 65535'],
    [['--weight', '1.5'], {}, '--weight: "1.5" (on the command line) is not a whole number from 0 to 65535'],
    [['--weight', ''], {}, '--weight: "" (on the command line) is not a whole number from 0 to 65535'],
    [['--noop=maybe'], {}, '--noop: "maybe" (on the command line) is not true or false'],
    [['--ipvs-noop=1s'], {}, '--ipvs-noop: "1s" (on the command line) is not true or false'],
    [['--method', 'nat'], {}, '--method: "nat" (on the command line) is not one of masq, droute'],
    [
      ['--config-source', 'file:///y', '--config-source', 'etc'],
      {},
      '--config-source: "etc" (on the command line) is not a URL',
    ],
    [['--share', '2'], {}, '--share: "2" (on the command line) is not at most 1'],
    [['--host-name', 'a/b'], {}, '--host-name: "a/b" (on the command line) is not a name without /'],
    [[], { CLUSTERF_NOOP: 'yes' }, '--noop: "yes" (environment CLUSTERF_NOOP) is not true or false'],
    [
      [],
      { CLUSTERF_ETCD_TTL: '10 s' },
      '--ttl: "10 s" (environment CLUSTERF_ETCD_TTL) is not a duration such as 10s, 500ms or 1m30s, or a number of seconds',
    ],
  ])('%j %j is a usage error', async (argv, env, message) => {
    const outcome = options(argv, env);
    await expect(outcome).rejects.toBeInstanceOf(UsageError);
    await expect(outcome).rejects.toMatchObject({ exitCode: 2, message });
  });

  test.each<[unknown, string]>([
    [{ wieght: 1 }, ': unknown option "wieght"'],
    [{ config: '/etc/other' }, ': unknown option "config"'],
    [{ weight: 70_000 }, '--weight: 70000 ('],
    [{ ttl: true }, '--ttl: true ('],
    [{ 'config-source': [1] }, 'is not a string or an array of strings'],
    [{ ttl: 1, 'etcd-ttl': 2 }, 'ttl is set twice, once as etcd-ttl'],
    [[1], 'expected a JSON object'],
    ['{', 'JSON'],
  ])('a file with %j is a configuration error that names the file', async (content, message) => {
    const path = await file(content);
    const outcome = options(['--config', path]);
    await expect(outcome).rejects.toBeInstanceOf(ConfigurationError);
    await expect(outcome).rejects.toMatchObject({ exitCode: 3, message: expect.stringContaining(message) });
    await expect(outcome).rejects.toThrow(path);
  });

  test('a file that is not there is a configuration error', async () => {
    await expect(options(['--config', join(directory, 'none.json')])).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('ENOENT'),
    });
  });
});

describe('help', () => {
  test('names every option, its old names and its default, by topic', async () => {
    const text = await help();
    for (const [name, option] of Object.entries(command.options)) {
      expect(text).toContain(`--${name}`);
      expect(text).toContain(`${option.group}:`);
    }
    expect(text).toContain('--ttl, --etcd-ttl');
    expect(text).toContain('[default: 10s]');
    expect(text).toContain('[default: the host name]');
    for (const common of ['--config', '--log-level', '--log-format', '--help', '--version']) {
      expect(text).toContain(common);
    }
  });

  test('wins over everything else that is on the line', async () => {
    expect((await parseOptions(command, ['--weight', 'x', '--help'], {})).kind).toBe('print');
  });

  test('--version says which', async () => {
    expect(await parseOptions(command, ['--version'], {})).toEqual({ kind: 'print', text: 'clusterf-test 1.2.3' });
  });

  test('operands are given to a command that takes some', async () => {
    const taking = { ...command, operands: 'CONTAINER' };
    expect(await parseOptions(taking, ['--noop', 'web-1', '007'], {})).toMatchObject({ operands: ['web-1', '007'] });
  });
});
