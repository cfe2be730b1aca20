import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { clusterf, RunningCommand } from './clusterf.js';
import { etcdSite, openSite } from './sites.js';

let etcd: EtcdProcess;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

const config = async (...args: readonly string[]) => await clusterf(args, { command: 'clusterf-config' });

test('several sources are printed as one, in text and JSON, routes only of the source that was asked for', async () => {
  await using general = etcdSite(etcd);
  await using local = await openSite('directory', etcd);
  await general.put('services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80}');
  await general.put('services/web/backends/a', '{"ipv4":"172.17.0.2","tcp":8080}');
  await general.put('routes/lan', '{"Prefix":"10.0.0.0/8","IPVSMethod":"droute"}');
  await local.put('services/web/frontend', '{"ipv4":"10.0.0.2","tcp":80}');
  await local.put('routes/wan', '{"IPVSMethod":"masq"}');
  const sources = [`--config-source=${general.url}`, `--config-source=${local.url}`];
  expect(await config(...sources)).toEqual({
    code: 0,
    stderr: '',
    stdout:
      'Routes:\n\tlan: droute 10.0.0.0/8\n\twan: masq default\nServices:\n\tweb: ipv4=10.0.0.2 tcp=80\n\t\ta: ipv4=172.17.0.2 tcp=8080 weight=10\n',
  });
  const { stdout } = await config('--json', '--filter-routes', 'file://', ...sources);
  expect(stdout).toMatch(/^[^\n]+\n$/);
  expect(JSON.parse(stdout)).toEqual({
    Routes: { wan: { Prefix: '', Gateway: '', IPVSMethod: 'masq' } },
    Services: {
      web: { Frontend: { ipv4: '10.0.0.2', tcp: 80 }, Backends: { a: { ipv4: '172.17.0.2', tcp: 8080, weight: 10 } } },
    },
  });
});

test('with --listen the configuration is printed again whenever it changes', async () => {
  await using site = etcdSite(etcd);
  await site.put('services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80}');
  await using listening = new RunningCommand(['--listen', '--json', '--config-source', site.url], {
    command: 'clusterf-config',
  });
  await listening.prints(/^[^\n]*10\.0\.0\.1[^\n]*\n$/);
  await site.put('hosts/docker1/status', '{}');
  await site.put('services/web/frontend', '{"ipv4":"10.0.0.2","tcp":80}');
  await listening.prints(/^[^\n]*\n[^\n]*10\.0\.0\.2[^\n]*\n$/);
  expect(await listening.end('SIGTERM')).toBe(0);
});

test('a bad entry is told of, and the rest printed', async () => {
  await using site = etcdSite(etcd);
  await site.put('services/bad/frontend', '{"tcp":"x"}');
  await site.put('services/web/frontend', '{"ipv4":"10.0.0.1","tcp":80}');
  const { code, stdout, stderr } = await config('--config-source', site.url);
  expect(code).toBe(0);
  expect(stdout).toBe('Routes:\nServices:\n\tweb: ipv4=10.0.0.1 tcp=80\n');
  expect(stderr).toMatch(
    /^clusterf-config: warning: etcd\+http:.*: services\/bad\/frontend: tcp is "x"; expected a port/,
  );
});

test.each([
  [
    'a source that cannot be read',
    ['--config-source', 'etcd://127.0.0.1:1/x'],
    1,
    /etcd 127\.0\.0\.1:1 does not answer/,
  ],
  ['a source of no known kind', ['--config-source', 'ftp://x'], 3, /expected etcd:/],
  ['an operand', ['x'], 2, /unexpected argument "x"/],
])('%s is refused', async (_, args, code, complaint) => {
  expect(await config(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(complaint) });
});
