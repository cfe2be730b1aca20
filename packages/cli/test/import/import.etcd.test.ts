import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../../test/fixtures/etcd.js';
import { clusterf } from '../clusterf.js';

const run = promisify(execFile);

const RULES = `-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 172.17.0.2:8080 -m -w 10
-a -t 10.0.0.1:80 -r 172.17.0.3:8080 -m -w 1
`;

const CONTAINER = '4c1f'.repeat(16);

/** What the Go program and its docker-agents had in etcd. */
const GO = {
  'services/web/frontend': '{"ipv4":"10.0.0.1","tcp":80}',
  'services/web/backends/static': '{"ipv4":"10.1.0.5","tcp":80}',
  'routes/host1': '{"Prefix":"172.17.0.0/16","IPVSMethod":"droute"}',
};

let etcd: EtcdProcess;
let directory: string;

beforeAll(async () => {
  [etcd, directory] = await Promise.all([startEtcd('--enable-v2'), mkdtemp(join(tmpdir(), 'clusterf-import-'))]);
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

function at(prefix: string): readonly string[] {
  return ['--config-source', `etcd://${etcd.host}/${prefix}`];
}

/** All that is below a prefix, as another program sees it. */
async function tree(prefix: string): Promise<Readonly<Record<string, unknown>>> {
  const env = { ...process.env, ETCDCTL_API: '3' };
  const { stdout } = await run('etcdctl', ['--endpoints', etcd.host, 'get', '--prefix', `/${prefix}/`], { env });
  const lines = stdout.split('\n').filter(Boolean);
  return Object.fromEntries(
    lines.flatMap((key, i) => (i % 2 === 0 ? [[key.slice(prefix.length + 2), JSON.parse(lines[i + 1] ?? '')]] : [])),
  );
}

async function written(input: string) {
  return await clusterf(['import', 'ipvsadm', '-', '--write', ...at('w')], { input });
}

/** etcd as it was. */
async function v2(...words: readonly string[]): Promise<void> {
  const env = { ...process.env, ETCDCTL_API: '2' };
  await run('etcdctl', ['--endpoints', `http://${etcd.host}`, ...words], { env });
}

describe('clusterf import', () => {
  test('makes a document that clusterf apply takes', async () => {
    const imported = await clusterf(['import', 'ipvsadm', '-'], { input: RULES });
    expect([imported.code, imported.stderr]).toEqual([0, '']);
    const applied = await clusterf(['apply', '-f', '-', ...at('applied')], { input: imported.stdout });
    expect(applied).toMatchObject({ code: 0 });
    expect(await tree('applied')).toEqual({
      'services/tcp-10.0.0.1-80/backends/172.17.0.2-8080': { ipv4: '172.17.0.2', tcp: 8080, weight: 10 },
      'services/tcp-10.0.0.1-80/backends/172.17.0.3-8080': { ipv4: '172.17.0.3', tcp: 8080, weight: 1 },
      'services/tcp-10.0.0.1-80/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr', method: 'masq' },
    });
  });

  test('as JSON makes the same document', async () => {
    const imported = await clusterf(['import', 'ipvsadm', '-', '-o', 'json'], { input: RULES });
    expect(Object.keys(JSON.parse(imported.stdout))).toHaveLength(3);
  });

  test('--write writes what is missing, once, and nothing over what says something else', async () => {
    expect(await written(RULES)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^3 of 3 entries written to etcd/),
    });
    expect(await written(RULES)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^0 of 3 /) });
    const before = await tree('w');
    const changed = `${RULES.replace('-s rr', '-s wlc')}-a -t 10.0.0.1:80 -r 172.17.0.4:8080 -m\n`;
    expect(await written(changed)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/tcp-10\.0\.0\.1-80\/frontend in etcd\S* say something else; nothing was written/),
    });
    expect(await tree('w')).toEqual(before);
  });

  test('of more than a transaction takes writes all of it', async () => {
    const servers = Array.from(
      { length: 300 },
      (_, i) => `-a -t 10.0.0.1:80 -r 10.1.${i >> 8}.${i & 255}:80 -m -w 1\n`,
    );
    const input = `-A -t 10.0.0.1:80 -s rr\n${servers.join('')}`;
    expect(await clusterf(['import', 'ipvsadm', '-', '--write', ...at('many')], { input })).toMatchObject({ code: 0 });
    expect(Object.keys(await tree('many'))).toHaveLength(301);
  });

  test('tells what is lost, writes the rest and exits with 1', async () => {
    const ended = await clusterf(['import', 'ipvsadm', '-'], { input: `${RULES}-A -t 10.0.0.2:0 -s rr -p 60\n` });
    expect(ended).toMatchObject({
      code: 1,
      stderr:
        'LEFT OUT:\n  tcp 10.0.0.2:0 (standard input:4): all ports of an address: the tree has single ports, or all that a firewall mark is put on (fwmark)\n',
    });
    expect(ended.stdout).toContain('services/tcp-10.0.0.1-80/frontend');
  });

  test('of what moves cursors and sets titles quotes nothing as it is', async () => {
    const server = 'real_server 10.0.0.5 80 {\n \u001b]0;title\u0007 1\n}';
    const keepalived = `\u001b[2J 1\nvirtual_server 10.0.0.1 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n ${server}\n}\n`;
    const rules = `${RULES}-A -t 10.0.0.2:80 -s \u001b[2J\n`;
    for (const [format, input] of [
      ['keepalived', keepalived],
      ['ipvsadm', rules],
    ] as const) {
      const { stderr } = await clusterf(['import', format, '-'], { input });
      expect(stderr).toMatch(/\\u001b/);
      // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
      expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    }
  });

  test.each(['ipvsadm', 'keepalived', 'etcd2'])('%s of a directory is told to want a file', async (format) => {
    expect(await clusterf(['import', format, directory])).toEqual({
      code: 1,
      stdout: '',
      stderr: `clusterf import: ${directory}: is a directory; expected a file\n`,
    });
  });

  test.each([
    [['import'], 2, /expected ipvsadm, keepalived, etcd2, and a file/],
    [['import', 'nginx', '-'], 2, /expected ipvsadm, keepalived, etcd2/],
    [['import', 'ipvsadm', '/nowhere/rules'], 1, /\/nowhere\/rules: ENOENT/],
    [['import', 'ipvsadm', '-'], 1, /nothing to import was found in standard input/],
  ])('%j exits with %i and says why', async (words, code, why) => {
    const ended = await clusterf(words);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(why) });
  });
});

describe('the Go program’s tree', () => {
  beforeAll(async () => {
    for (const [path, value] of Object.entries(GO)) await v2('set', `/clusterf/${path}`, value);
    const registered = '{"ipv4":"172.17.0.2","tcp":8080}';
    await v2('set', '--ttl', '3600', `/clusterf/services/web/backends/${CONTAINER}`, registered);
  });

  const expected = Object.fromEntries(Object.entries(GO).map(([path, value]) => [path, JSON.parse(value)]));

  test('as etcd’s v2 API answers moves to v3, but for what docker-agents keep', async () => {
    const answer = await fetch(`http://${etcd.host}/v2/keys/clusterf?recursive=true`);
    const file = join(directory, 'dump.json');
    await writeFile(file, await answer.text());
    const ended = await clusterf(['import', 'etcd2', file, '--write', ...at('from-api')]);
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/not carried over:\n.*a docker-agent registered it/),
    });
    expect(await tree('from-api')).toEqual(expected);
  });

  test('as etcdctl lists and gets it is the same, by the shell’s line of docs/migration.md', async () => {
    const script = `etcdctl --endpoints http://${etcd.host} ls -r -p /clusterf | grep -v '/$' | while read -r key; do echo "$key"; etcdctl --endpoints http://${etcd.host} get "$key"; done`;
    const { stdout: input } = await run('sh', ['-c', script], { env: { ...process.env, ETCDCTL_API: '2' } });
    expect(await clusterf(['import', 'etcd2', '-', '--write', ...at('from-list')], { input })).toMatchObject({
      code: 0,
    });
    expect(await tree('from-list')).toEqual(expected);
  });
});
