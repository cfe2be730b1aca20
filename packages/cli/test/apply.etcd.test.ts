import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { clusterf, RunningCommand } from './clusterf.js';
import { etcdSite, KINDS, openSite, type Site } from './sites.js';

let etcd: EtcdProcess;
/** Somewhere to keep files in. */
let files: Site;
beforeAll(async () => {
  etcd = await startEtcd();
  files = await openSite('directory', etcd);
});
afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await etcd[Symbol.asyncDispose]();
});

const directory = () => files.url.replace('file://', '');

const SHOP = `# what the shop publishes
services:
  shop:
    frontend: {ipv4: 10.0.0.1, tcp: 80}
    backends:
      one: {ipv4: 10.1.0.1, tcp: 8080}
      two: {ipv4: 10.1.0.2, tcp: 8080, weight: 0}
---
routes/lan: {Prefix: 10.1.0.0/16, IPVSMethod: droute}
`;

const STORED = {
  'services/shop/frontend': '{"ipv4":"10.0.0.1","tcp":80}',
  'services/shop/backends/one': '{"ipv4":"10.1.0.1","tcp":8080,"weight":10}',
  'services/shop/backends/two': '{"ipv4":"10.1.0.2","tcp":8080,"weight":0}',
  'routes/lan': '{"Prefix":"10.1.0.0/16","IPVSMethod":"droute"}',
};

const run = promisify(execFile);

const apply = async (site: Site, input: string, ...args: readonly string[]) =>
  await clusterf(['apply', '-f', '-', '--config-source', site.url, ...args], { input });

describe.each(KINDS)('a tree in %s', (kind) => {
  test('has afterwards what the documents say; each entry is said to be created, changed or unchanged', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/shop/frontend', '{"tcp": 80, "ipv4": "10.0.0.1"}\n');
    await site.put('routes/lan', '{"Prefix":"10.1.0.0/16","IPVSMethod":"masq"}');
    await site.put('services/other/frontend', '{"ipv4":"10.0.0.9","tcp":80}');
    const { code, stdout, stderr } = await apply(site, SHOP);
    expect(code).toBe(0);
    expect(stderr).toContain('warning: services/shop/backends/one: port 8080: droute cannot change the port');
    expect(stdout.trim().split('\n')).toEqual([
      'unchanged services/shop/frontend',
      'created services/shop/backends/one',
      'created services/shop/backends/two',
      'changed routes/lan: IPVSMethod "masq" → "droute"',
    ]);
  });

  test('takes back what get printed, unchanged', async () => {
    await using site = await openSite(kind, etcd);
    for (const [path, value] of Object.entries(STORED)) await site.put(path, value);
    for (const format of ['yaml', 'json']) {
      const { stdout } = await clusterf(['get', '--config-source', site.url, '-o', format]);
      const again = await apply(site, stdout);
      expect(again).toMatchObject({ code: 0 });
      expect(
        again.stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ')[0]),
      ).toEqual(Array(4).fill('unchanged'));
      await using copy = await openSite(kind, etcd);
      expect(await apply(copy, stdout, '--force')).toMatchObject({ code: 0 });
      expect(await copy.read()).toEqual(STORED);
    }
  });

  test('loses with --prune what the documents have no more, of their services only', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/shop/backends/old', '{"ipv4":"10.1.0.9","tcp":8080}');
    await site.put('services/other/backends/x', '{"ipv4":"10.1.0.9","tcp":8080}');
    await site.put('routes/wan', '{}');
    const dry = await apply(site, SHOP, '--prune', '--dry-run', '--force');
    expect(dry.stdout).toContain('removed services/shop/backends/old (dry run)\n');
    expect(Object.keys(await site.read())).toHaveLength(3);
    const { stdout } = await apply(site, SHOP, '--prune', '--force');
    expect(stdout.match(/^removed .*$/gm)).toEqual(['removed services/shop/backends/old']);
    expect(Object.keys(await site.read()).toSorted()).toEqual(
      [...Object.keys(STORED), 'routes/wan', 'services/other/backends/x'].toSorted(),
    );
  });

  test('stays as it is when one entry would be a problem, and every problem is told', async () => {
    await using site = await openSite(kind, etcd);
    const { code, stdout, stderr } = await apply(
      site,
      '{services: {a: {frontend: {ipv4: 10.0.0.1, tcp: 80}}, b: {frontend: {ipv4: 10.0.0.1, tcp: 80}}, c: {frontend: {ipv4: 10.0.0.300}}}, foo: 1}',
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([
      'clusterf apply: error: services/c/frontend: ipv4 "10.0.0.300" is not an IPv4 address such as 10.0.0.1',
      'clusterf apply: error: foo: not a key that is read; expected one below services, routes, sync, balancers, drain',
      "clusterf apply: error: services/b/frontend: tcp 10.0.0.1:80 is already service a's: not published",
      'clusterf apply: nothing was written; --force writes it all the same',
    ]);
    expect(await site.read()).toEqual({});
  });

  test.each([
    ['nothing', '', 1, /no entries are in standard input; nothing was written/],
    ['a service without entries', 'services: {shop: {}}', 1, /no entries are in standard input; nothing was written/],
    ['documents that cannot be read', 'a: [1', 1, /standard input: is neither JSON nor YAML: .*line 1/],
    ['a list', '[1]', 1, /standard input: the document is a list; expected a mapping/],
    [
      'entries given twice',
      'sync: {interface: eth0}\n---\nsync: {interface: eth1}',
      1,
      /sync: is given twice, by standard input too/,
    ],
    [
      'a way out',
      'services: {..: {frontend: {ipv4: 10.0.0.1, tcp: 80}}}',
      1,
      /services\/\.\.: the name "\.\." would mean a directory/,
    ],
    ["an agent's status", 'hosts: {a: {status: {}}}', 1, /is what an agent says of itself/],
  ])('stays as it is for %s', async (_, input, code, complaint) => {
    await using site = await openSite(kind, etcd);
    expect(await apply(site, input)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(complaint) });
    expect(await site.read()).toEqual({});
  });
});

test('files and directories of documents are taken together', async () => {
  await using site = etcdSite(etcd);
  await files.put('docs/a.yaml', SHOP);
  await files.put('docs/b.json', '{"sync": {"interface": "eth0"}}');
  await files.put('docs/notes.txt', 'not: [for us');
  await files.put('docs/.hidden.yaml', 'not: [for us');
  await files.put('one.yml', 'services: {one: {frontend: {ipv4: 10.0.0.2, tcp: 80}}}');
  const { code } = await clusterf([
    'apply',
    '--force',
    '--config-source',
    site.url,
    '-f',
    `${directory()}/docs`,
    '--file',
    `${directory()}/one.yml`,
  ]);
  expect(code).toBe(0);
  expect(Object.keys(await site.read()).toSorted()).toEqual(
    [...Object.keys(STORED), 'services/one/frontend', 'sync'].toSorted(),
  );
});

test.each([
  ['no file', [], 2, /expected --file \(-f\) FILE, DIRECTORY or -/],
  ['an operand', ['-f', '-', 'x'], 2, /unexpected argument "x"/],
  ['standard input twice', ['-f', '-', '-f', '-'], 2, /standard input can be read only once/],
  ['a file that is not there', ['-f', '/nowhere.yaml'], 1, /\/nowhere.yaml: ENOENT/],
])('%s is refused', async (_, args, code, complaint) => {
  expect(await clusterf(['apply', '--config-source', `etcd://${etcd.host}/x`, ...args])).toMatchObject({
    code,
    stderr: expect.stringMatching(complaint),
  });
});

test('a directory that is a tree is told from one of documents, with what to do', async () => {
  await using tree = await openSite('directory', etcd);
  await tree.put('services/web/frontend', '{}');
  const { code, stderr } = await clusterf(['apply', '-f', tree.url.replace('file://', '')]);
  expect(code).toBe(1);
  expect(stderr).toContain(
    `it looks like a tree: clusterf get --config-source ${tree.url} -o yaml | clusterf apply -f -`,
  );
});

test('a directory with files of those names, as /etc, is not taken for a tree', async () => {
  await files.put('machine/services', 'http 80/tcp\n');
  const { code, stderr } = await clusterf(['apply', '-f', `${directory()}/machine`]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/expected files \*\.yaml, \*\.yml or \*\.json in it\n$/);
});

test('what agents keep is neither changed nor pruned', async () => {
  await using site = etcdSite(etcd);
  await etcd.call('lease/grant', { TTL: '60', ID: '79' });
  for (const name of ['one', 'kept'])
    await etcd.put(`${site.prefix}/services/shop/backends/${name}`, '{"ipv4":"10.1.0.9","tcp":8080}', '79');
  const refused = await apply(site, SHOP, '--prune');
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('services/shop/backends/one: is kept by an agent'),
  });
  const without = SHOP.replace(/one: .*/, '');
  expect((await apply(site, without, '--prune', '--force')).stdout).not.toContain('removed');
  expect(Object.keys(await site.read())).toContain('/services/shop/backends/kept'.slice(1));
});

test('more entries than a transaction takes are written all the same', async () => {
  await using site = etcdSite(etcd);
  const services = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`s${i}`, { frontend: { ipv4: `10.0.${i >> 8}.${i & 255}`, tcp: 80 } }]),
  );
  const { code, stdout } = await apply(site, JSON.stringify({ services }));
  expect(code).toBe(0);
  expect(stdout.match(/^created /gm)).toHaveLength(1000);
  expect(Object.keys(await site.read())).toHaveLength(1000);
});

test('a service that documents mention without entries keeps what it has, and --prune says so', async () => {
  await using site = etcdSite(etcd);
  for (const [path, value] of Object.entries(STORED)) await site.put(path, value);
  const input = 'services: {shop: {backends: {}}, new: , other: {frontend: {ipv4: 10.0.0.2, tcp: 80}}}';
  expect(await apply(site, input, '--prune')).toEqual({
    code: 0,
    stdout: 'created services/other/frontend\n',
    stderr:
      'clusterf apply: warning: services/shop has no entries in the documents, and none of it is removed: ' +
      'that would be clusterf rm --recursive\n',
  });
  expect(await site.read()).toMatchObject(STORED);
});

describe('of a backup with a name that no entry can have', () => {
  const [WEB, BAD] = ['services/web/frontend', 'services/web/backends/a\u001b[2J'];
  const COMPLAINT = 'error: services/web/backends/a\\u001b[2J: the name "a\\u001b[2J" contains a control character';

  async function backup(site: Site): Promise<string> {
    await site.put(WEB, '{"ipv4":"10.0.0.1","tcp":80}');
    await site.put(BAD, '{"ipv4":"10.1.0.1","tcp":80}');
    return (await clusterf(['get', '-o', 'yaml', '--config-source', site.url])).stdout;
  }

  test('nothing is written, and with --force all else', async () => {
    await using site = etcdSite(etcd);
    const text = await backup(site);
    await using copy = etcdSite(etcd);
    const refused = await apply(copy, text);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(COMPLAINT) });
    expect(refused.stderr).toContain('nothing was written; --force writes all else\n');
    expect(await copy.read()).toEqual({});
    const forced = await apply(copy, text, '--force');
    expect(forced).toMatchObject({ code: 1, stdout: `created ${WEB}\n`, stderr: expect.stringContaining(COMPLAINT) });
    expect(forced.stderr).toContain('what no entry can be called was left out, and nothing else\n');
    expect(Object.keys(await copy.read())).toEqual([WEB]);
  });

  test('--prune leaves alone what it names', async () => {
    await using site = etcdSite(etcd);
    const { stdout } = await apply(site, await backup(site), '--force', '--prune');
    expect(stdout).toBe(`unchanged ${WEB}\n`);
    expect(Object.keys(await site.read()).toSorted()).toEqual([BAD, WEB]);
  });
});

test('interrupted, it says how far it came and does not blame etcd', async () => {
  await using site = etcdSite(etcd);
  const count = 20_000;
  const routes = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`r${i}`, { Prefix: `10.${i >> 8}.${i & 255}.0/24` }]),
  );
  await files.put('many.json', JSON.stringify({ routes }));
  await using command = new RunningCommand(['apply', '--config-source', site.url, '-f', `${directory()}/many.json`]);
  await until('the first are written', async () => Object.keys(await site.read()).length > 0);
  expect(await command.end('SIGINT')).toBe(1);
  await command.complains(/\n$/);
  const [, told = ''] = /^clusterf apply: interrupted: (\d+) of 20000 changes were made/.exec(command.errors) ?? [];
  const written = Object.keys(await site.read()).length;
  expect(written).toBeLessThan(count);
  expect([0, 128]).toContain(written - Number(told || Number.NaN));
});

const pipe = () => `${directory()}/pipes/p.yaml`;

/** Once somebody reads from it. */
const toWrite = async () =>
  await until(
    'somebody reads from the pipe',
    async () => await open(pipe(), constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined),
  );

describe('named pipes', () => {
  beforeAll(async () => {
    await mkdir(`${directory()}/pipes`);
    await run('mkfifo', [pipe()]);
  });
  test('that lie in a directory are refused', async () => {
    await using site = etcdSite(etcd);
    expect(await clusterf(['apply', '--config-source', site.url, '-f', `${directory()}/pipes`])).toEqual({
      code: 1,
      stdout: '',
      stderr: `clusterf apply: ${pipe()}: is no regular file\n`,
    });
  });

  test('are read where they are named, as of <(COMMAND)', async () => {
    await using site = etcdSite(etcd);
    await using command = new RunningCommand(['apply', '--config-source', site.url, '-f', pipe()]);
    await using writer = await toWrite();
    await writer.writeFile('routes/lan: {Prefix: 10.1.0.0/16, IPVSMethod: masq}');
    await writer.close();
    await command.prints(/^created routes\/lan$/m);
    expect(await command.end()).toBe(0);
  });

  test('that nobody writes into do not keep it from ending', async () => {
    await using command = new RunningCommand(['apply', '-f', pipe()]);
    await using writer = await toWrite();
    expect(await command.end('SIGTERM')).toBe(1);
    await command.complains(/^clusterf apply: \S+\/p\.yaml: interrupted\n$/);
    await writer.close();
  });
});
