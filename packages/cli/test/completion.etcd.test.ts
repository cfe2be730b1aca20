import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { projectRoot } from '../../../test/lab/index.js';
import { SUBCOMMANDS } from '../src/subcommands.js';
import { clusterf } from './clusterf.js';
import { etcdSite, type Site } from './sites.js';

const run = promisify(execFile);

let etcd: EtcdProcess;
let site: Site;
/** Where `clusterf` is found. */
let bin: string;
beforeAll(async () => {
  etcd = await startEtcd();
  site = etcdSite(etcd);
  await site.put('services/web/frontend', '{}');
  await site.put('services/my shop/frontend', '{}');
  await site.put('sync', '{}');
  await site.put('hosts/docker1/status', '{}');
  await site.put('services/my shop/backends/one', '{}');
  bin = await mkdtemp(join(tmpdir(), 'clusterf-bin-'));
  await symlink(join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs'), join(bin, 'clusterf'));
});
afterAll(async () => {
  await rm(bin, { recursive: true });
  await etcd[Symbol.asyncDispose]();
});

const env = () => ({
  ...process.env,
  PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
  CLUSTERF_CONFIG_SOURCE: site.url,
});

/** What is offered for the last of these words, without what it means. */
async function words(...line: readonly string[]): Promise<readonly string[]> {
  const { code, stdout } = await clusterf(['completion', 'words', '--', ...line], {
    env: { CLUSTERF_CONFIG_SOURCE: site.url },
  });
  expect(code).toBe(0);
  return stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => text.split('\t')[0] ?? '');
}

describe('offered are', () => {
  test('all commands, with what they do', async () => {
    expect(await words('clusterf', '')).toEqual(
      expect.arrayContaining([...Object.keys(SUBCOMMANDS), 'help', '--version']),
    );
    expect(await words('/usr/bin/clusterf', 'va')).toEqual(['validate']);
    const { stdout } = await clusterf(['completion', 'words', '--', 'clusterf', 'get']);
    expect(stdout).toBe('get\tShows what is in the configuration tree.\n');
  });

  test('the options of a command', async () => {
    expect(await words('clusterf', 'apply', '--pr')).toEqual(['--prune']);
    expect(await words('clusterf', 'apply', '-f', 'x.yaml', '--dry')).toEqual(['--dry-run']);
    expect(await words('clusterf-ipvs', '--vip')).toEqual(['--vip-interface']);
    expect(await words('clusterf-docker', '--docker-e')).toEqual(['--docker-endpoint']);
    expect(await words('clusterf-config', '--js')).toEqual(['--json']);
  });

  test('the choices of an option', async () => {
    expect(await words('clusterf', 'get', '-o', '')).toEqual(['table', 'json', 'yaml']);
    expect(await words('clusterf', 'get', '--output', '=', 'y')).toEqual(['yaml']);
    expect(await words('clusterf', 'get', '--output=y')).toEqual(['--output=yaml']);
    expect(await words('clusterf', 'completion', 'f')).toEqual(['fish']);
  });

  test('paths of the tree, a part at a time', async () => {
    expect(await words('clusterf', 'get', '')).toEqual(['hosts/', 'services/', 'sync']);
    expect(await words('clusterf', 'rm', '-r', 'services/')).toEqual(['services/my shop/', 'services/web/']);
    expect(await words('clusterf', 'set', '--config-source', 'etcd://127.0.0.1:1/x', '')).toEqual([]);
  });

  test('names that the tree knows', async () => {
    expect(await words('clusterf', 'drain', '')).toEqual(expect.arrayContaining(['host', 'backend', 'balancer']));
    expect(await words('clusterf', 'drain', 'host', 'd')).toEqual(['docker1']);
    expect(await words('clusterf', 'drain', '-o', 'json', 'backend', '')).toEqual(['my shop/one']);
    expect(await words('clusterf', 'explain', 'my')).toEqual(['my shop/one']);
  });

  test.each([
    ['a file', ['clusterf', 'apply', '-f', '']],
    ['an unknown command', ['clusterf', 'nothing', '']],
    ['an unknown program', ['other', '']],
    ['no word at all', []],
  ])('none for %s', async (_, line) => {
    expect(await words(...line)).toEqual([]);
  });
});

/** What a shell offers for the last word of a line, by the script that completes it. */
const SHELLS: Readonly<Record<string, (line: readonly string[]) => readonly string[]>> = {
  bash: (line) => [
    '--norc',
    '-c',
    'source <(clusterf completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _clusterf; printf "%s\\n" "${COMPREPLY[@]}"',
    'bash',
    ...line,
  ],
  // Its own compadd works only while somebody is typing.
  zsh: (line) => [
    '-f',
    '-c',
    `autoload -U compinit; compinit -u -D; source <(clusterf completion zsh)
     compadd() { local name=\${@[-1]}; print -rl -- \${(Pq)name} }
     words=("$@"); CURRENT=$#; \${_comps[clusterf]}`,
    'zsh',
    ...line,
  ],
  fish: (line) => [
    '--no-config',
    '-c',
    'clusterf completion fish | source; complete -C "$argv" | string replace -r "\\t.*" "" | string escape --no-quoted',
    line.join(' '),
  ],
};

describe.each(Object.entries(SHELLS))('%s', (shell, args) => {
  const offers = async (...line: readonly string[]) => {
    const { stdout } = await run(shell, args(line), { env: env(), cwd: bin });
    return stdout.trim().split('\n').toSorted();
  };

  test('completes with what is offered, and quotes it', async () => {
    expect(await offers('clusterf', 'val')).toEqual(['validate']);
    expect(await offers('clusterf', 'get', '--without')).toEqual(['--without-leased']);
    expect(await offers('clusterf', 'get', 'services/')).toEqual(['services/my\\ shop/', 'services/web/']);
    expect(await offers('clusterf', 'get', 'services/my\\ shop/')).toEqual([
      'services/my\\ shop/backends/',
      'services/my\\ shop/frontend',
    ]);
  });
});

test('where nothing is offered, bash and fish complete files', async () => {
  const script = 'source <(clusterf completion bash); complete -p clusterf clusterf-ipvs';
  const { stdout } = await run('bash', ['--norc', '-c', script], { env: env() });
  expect(stdout).toBe('complete -o default -F _clusterf clusterf\ncomplete -o default -F _clusterf clusterf-ipvs\n');
  const fish = await run('fish', SHELLS['fish']?.(['clusterf', 'apply', '-f', 'cluster']), { env: env(), cwd: bin });
  expect(fish.stdout).toBe('clusterf\n');
});

test('what is no shell is refused', async () => {
  expect(await clusterf(['completion'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('expected one of bash, zsh, fish'),
  });
  expect(await clusterf(['completion', 'tcsh'])).toMatchObject({ code: 2 });
});
