import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { clusterf } from './clusterf.js';
import { etcdSite, KINDS, openSite, type Site } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const rm = async (site: Site, ...args: readonly string[]) =>
  await clusterf(['rm', '--config-source', site.url, ...args]);

async function fill(site: Site): Promise<void> {
  for (const path of ['services/web/frontend', 'services/web/backends/a', 'services/web 🦊/frontend', 'routes/lan'])
    await site.put(path, '{}');
}

describe.each(KINDS)('a tree in %s', (kind) => {
  test('loses the entries that are named, and no other', async () => {
    await using site = await openSite(kind, etcd);
    await fill(site);
    expect(await rm(site, 'services/web 🦊/frontend', '/routes/lan')).toEqual({
      code: 0,
      stdout: 'removed services/web 🦊/frontend\nremoved routes/lan\n',
      stderr: '',
    });
    expect(Object.keys(await site.read()).toSorted()).toEqual(['services/web/backends/a', 'services/web/frontend']);
  });

  test('loses what is below a path only with --recursive', async () => {
    await using site = await openSite(kind, etcd);
    await fill(site);
    const refused = await rm(site, 'services/web');
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr: 'clusterf rm: services/web is no entry, but 2 are below it; --recursive removes them\n',
    });
    expect(Object.keys(await site.read())).toHaveLength(4);
    expect(await rm(site, '--recursive', '--dry-run', 'services/web')).toMatchObject({ code: 0 });
    expect(Object.keys(await site.read())).toHaveLength(4);
    expect((await rm(site, '-r', 'services/web')).stdout).toBe(
      'removed services/web/backends/a\nremoved services/web/frontend\n',
    );
    expect(Object.keys(await site.read()).toSorted()).toEqual(['routes/lan', 'services/web 🦊/frontend']);
  });

  test.each([
    ['nothing there', ['services/w'], 1, /nothing is at services\/w; nothing was removed/],
    ['something and nothing', ['routes/lan', 'routes/wan'], 1, /nothing is at routes\/wan; nothing was removed/],
    ['the whole tree', ['-r', '/'], 2, /the whole tree is not removed at once/],
    ['a way out', ['-r', '../..'], 2, /would mean a directory/],
    ['no path', [], 2, /expected the PATH of what is to be removed/],
  ])('loses nothing by %s', async (_, args, code, complaint) => {
    await using site = await openSite(kind, etcd);
    await fill(site);
    expect(await rm(site, ...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(complaint) });
    expect(Object.keys(await site.read())).toHaveLength(4);
  });
});

test('of what agents keep it says that it comes back, and what to do instead', async () => {
  await using site = etcdSite(etcd);
  await etcd.call('lease/grant', { TTL: '60', ID: '78' });
  for (const name of ['a', 'b']) await etcd.put(`${site.prefix}/services/web/backends/${name}`, '{}', '78');
  const { code, stderr } = await rm(site, '-r', 'services/web');
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /^clusterf rm: warning: services\/web\/backends\/a and 1 more, kept by agents under a lease, come back.*clusterf drain/,
  );
  expect(await site.read()).toEqual({});
});

test('hundreds of entries go, in as many transactions as it takes', async () => {
  await using site = etcdSite(etcd);
  const paths = Array.from({ length: 300 }, (_, index) => `routes/r${index}`);
  await Promise.all(paths.map(async (path) => await site.put(path, '{}')));
  const { code, stdout } = await rm(site, '-r', 'routes');
  expect(code).toBe(0);
  expect(stdout.trim().split('\n').toSorted()).toEqual(paths.map((path) => `removed ${path}`).toSorted());
  expect(await site.read()).toEqual({});
});

test.each(['a\u001b[2J', '..', '', 'x'.repeat(300)])(
  'what is there under the name %j goes as all else',
  async (name) => {
    await using site = etcdSite(etcd);
    const paths = [`services/${name}/frontend`, `services/${name}/backends/x`];
    for (const path of paths) await site.put(path, '{}');
    expect(await rm(site, paths[0] ?? '')).toMatchObject({ code: 0, stderr: '' });
    expect(Object.keys(await site.read())).toEqual(paths.slice(1));
    const shown = await clusterf(['get', '--config-source', site.url, `services/${name}/backends`]);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(await rm(site, '-r', `services/${name}/backends`)).toMatchObject({ code: 0, stderr: '' });
    expect(await site.read()).toEqual({});
  },
);
