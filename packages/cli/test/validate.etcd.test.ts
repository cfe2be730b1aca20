import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { clusterf } from './clusterf.js';
import { KINDS, openSite } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const GOOD = '{"ipv4":"10.0.0.1","tcp":80}';

describe.each(KINDS)('a tree in %s', (kind) => {
  test('that is well is counted', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/web/frontend', GOOD);
    await site.put('hosts/docker1/status', '{}');
    expect(await clusterf(['validate', '--config-source', site.url])).toEqual({
      code: 0,
      stdout: '2 entries: 0 errors, 0 warnings\n',
      stderr: '',
    });
  });

  test('has all its problems listed, by key, with what was expected', async () => {
    await using site = await openSite(kind, etcd);
    await site.put('services/a/frontend', GOOD);
    await site.put('services/b/frontend', GOOD);
    await site.put('services/c/frontend', '{"ipv4":"10.0.0.3","tcp":0,"udp":53,"colour":"red"}');
    await site.put('services/c/backends/x', 'not JSON');
    await site.put('services/c/frontent', '{}');
    const { code, stdout } = await clusterf(['validate', '--config-source', site.url]);
    expect(code).toBe(1);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['LEVEL', 'KEY', 'PROBLEM'],
      ['ERROR', 'services/c/backends/x', 'the value is "not JSON"; expected a JSON object'],
      ['WARNING', 'services/c/frontend', expect.stringContaining('tcp is 0; expected a port')],
      ['WARNING', 'services/c/frontend', 'unknown field "colour": agents of this version ignore it'],
      [
        'ERROR',
        'services/c/frontent',
        expect.stringContaining('not a key that is read; expected services/<service>/frontend'),
      ],
      ['ERROR', 'services/b/frontend', "tcp 10.0.0.1:80 is already service a's: not published"],
      [''],
      ['5 entries: 3 errors, 2 warnings'],
      [''],
    ]);
    const json = await clusterf(['validate', '--config-source', site.url, '-o', 'json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toHaveLength(5);
    expect(JSON.parse(json.stdout)[0]).toEqual({
      level: 'error',
      path: 'services/c/backends/x',
      message: 'the value is "not JSON"; expected a JSON object',
    });
  });
});

const validate = async (input: string) =>
  await clusterf(['validate', '-f', '-', '--config-source', 'etcd://127.0.0.1:1/x'], { input });

test('documents are looked at by themselves, though there is no tree to be had', async () => {
  expect(await validate(`services: {web: {frontend: ${GOOD}}}`)).toEqual({
    code: 0,
    stdout: '1 entry: 0 errors, 0 warnings\n',
    stderr: '',
  });
  expect(await validate('services: {web: {frontend: {ipv4: 10.0.0.1, tcp: 80, tpc: 81}}}')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('1 entry: 1 error, 0 warnings\n'),
  });
  expect(await validate('services: {web: {frontend: {ipv4: 10.0.0.1, tcp: eighty}}}')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('tcp is "eighty"; expected a port, a whole number from 1 to 65535'),
  });
  expect(await validate('{')).toMatchObject({ code: 1, stdout: expect.stringContaining('is neither JSON nor YAML') });
});
