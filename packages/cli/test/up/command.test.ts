import { describe, expect, test } from '@jest/globals';
import { ConfigurationError, parseOptions, UsageError } from '@clusterf/daemon';
import { balancerOptions, command, dockerAgentOptions, treePlace, type UpOptions } from '../../src/up/command.js';

async function options(...argv: readonly string[]): Promise<UpOptions> {
  const parsed = await parseOptions(command, argv, {});
  if (parsed.kind !== 'run') throw new Error('there is nothing to run');
  return parsed.options;
}

describe('where the tree is', () => {
  test.each([
    ['nothing', [], { sources: [], registry: undefined }],
    ['a directory', ['--config-source', 'file:///t'], { sources: ['file:///t'], registry: undefined }],
    [
      '--etcd with members',
      ['--etcd', 'h1:2379,h2'],
      { sources: ['etcd://h1:2379,h2'], registry: 'etcd://h1:2379,h2' },
    ],
    ['--etcd with a prefix', ['--etcd', 'h/p'], { sources: ['etcd://h/p'], registry: 'etcd://h/p' }],
    [
      '--etcd with a URL',
      ['--etcd', 'etcd+https://h/p'],
      { sources: ['etcd+https://h/p'], registry: 'etcd+https://h/p' },
    ],
    ['--etcd as etcd:', ['--etcd', 'etcd:'], { sources: ['etcd:'], registry: 'etcd:' }],
    ['--etcd-host alone', ['--etcd-host', 'h'], { sources: ['etcd:'], registry: 'etcd:' }],
    [
      'an etcd and a directory',
      ['--config-source', 'file:///t', '--etcd', 'h'],
      { sources: ['etcd://h', 'file:///t'], registry: 'etcd://h' },
    ],
    [
      'an etcd among the sources',
      ['--config-source', 'file:///t', '--config-source', 'etcd://h', '--etcd-host', 'x'],
      { sources: ['file:///t', 'etcd://h'], registry: 'etcd://h' },
    ],
  ])('is said by %s', async (_, argv, place) => {
    expect(treePlace(await options(...argv))).toEqual(place);
  });

  test('is refused where it is none', async () => {
    const wrong = await options('--etcd', 'h1 h2');
    expect(() => treePlace(wrong)).toThrow(/etcd host is "h1 h2"; expected HOST/);
    expect(() => treePlace(wrong)).toThrow(expect.objectContaining({ code: new ConfigurationError('').code }));
  });

  test('has to be an etcd for registrations to be flushed', async () => {
    const alone = await options('--exit-flush');
    expect(() => treePlace(alone)).toThrow(UsageError);
    expect(() => treePlace(alone)).toThrow(/--exit-flush is for a cluster \(--etcd\)/);
    expect(treePlace(await options('--exit-flush', '--etcd', 'h')).registry).toBe('etcd://h');
  });
});

describe('the balancer', () => {
  test('has its own addresses and a standalone profile unless told otherwise', async () => {
    expect(balancerOptions(await options(), [])).toMatchObject({ vipInterface: 'clusterf0', profile: 'standalone' });
    expect(balancerOptions(await options('--vip-interface', 'none', '--profile', 'none'), [])).toMatchObject({
      vipInterface: undefined,
      profile: undefined,
    });
    expect(balancerOptions(await options('--vip-interface', 'vip0', '--profile', 'host'), [])).toMatchObject({
      vipInterface: 'vip0',
      profile: 'host',
    });
  });

  test.each([
    [[], undefined],
    [['--host-name', 'a'], 'a'],
    [['--host-name', 'a', '--balancer-name', 'b'], 'b'],
  ])('with %j has the name %j', async (argv, name) => {
    expect(balancerOptions(await options(...argv), []).balancerName).toBe(name);
  });
});

test('neither agent listens for HTTP itself', async () => {
  const given = await options('--http-listen', ':80');
  expect(balancerOptions(given, ['memory:'])).toMatchObject({ httpListen: 'none', configSource: ['memory:'] });
  expect(dockerAgentOptions(given, 'memory:')).toMatchObject({ httpListen: 'none', configSource: 'memory:' });
});

test('one time between looks is for both', async () => {
  const given = await options('--resync', '7s');
  expect([balancerOptions(given, []).resync, dockerAgentOptions(given, '').resync]).toEqual([7000, 7000]);
});
