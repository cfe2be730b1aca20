import { describe, expect, test } from '@jest/globals';
import { facts, findings, IPVS, tree, troubles, WEB } from '../site.js';

const agent = (more: object) =>
  facts({
    agents: {
      ipvs: { unit: 'enabled', listen: '127.0.0.1:9780', state: 'running', version: '1.0.0', ...more },
      docker: undefined,
    },
  });

describe('the agents', () => {
  test.each<[string, object, string, RegExp]>([
    ['does not run', { state: 'nobody' }, 'warn', /does not run.*\nsystemctl enable --now clusterf-ipvs$/s],
    [
      'keeps the table but does not answer',
      { state: 'nobody', lockHolder: 77 },
      'warn',
      /process 77 keeps the kernel’s table/,
    ],
    ['has lost its port', { state: 'stranger' }, 'fail', /somebody else listens.*\nss -ltnp 'sport = :9780'/s],
    [
      'is stopped with its port',
      { state: 'silent', lockHolder: 77, stopped: true },
      'fail',
      /does not answer; process 77, .*is stopped\nkill -CONT 77 /s,
    ],
    ['hangs with its port', { state: 'silent', lockHolder: 77 }, 'fail', /may hang\nsystemctl restart clusterf-ipvs /s],
    ['may hang with its port', { state: 'silent' }, 'fail', /does not answer\nss -ltnp 'sport = :9780' .*restart/s],
    ['is not healthy', { unhealthy: 'no pass for 90 s' }, 'fail', /not healthy: no pass for 90 s/],
    ['is not ready', { unready: 'sources unread' }, 'fail', /not ready: sources unread/],
    ['is of another version', { version: '0.9.0' }, 'warn', /version 0\.9\.0; installed is 1\.0\.0/],
    ['has problems', { problems: 3 }, 'warn', /has 3 problems/],
    [
      'is not started with the machine',
      { unit: 'disabled' },
      'warn',
      /not started .*\nsystemctl enable clusterf-ipvs$/s,
    ],
    ['does not run and has no unit', { state: 'nobody', unit: 'none' }, 'warn', /does not run.*\nclusterf-ipvs {4}#/s],
  ])('one that %s is told', (_, more, severity, expected) => {
    const told = troubles(agent(more));
    expect(told).toEqual([expect.stringMatching(expected)]);
    expect(told[0]?.startsWith(`${severity} clusterf-ipvs`)).toBe(true);
  });

  test('one without CAP_NET_ADMIN can do nothing', () => {
    const machine = { ...facts().machine, capabilities: 0n };
    const agents = { ipvs: { unit: 'enabled', listen: '', state: 'unknown' }, docker: undefined } as const;
    expect(findings(facts({ machine, agents }), 'privileges')[0]?.severity).toBe('fail');
    expect(findings(facts({ machine }), 'privileges')[0]?.severity).toBe('warn');
  });

  test('one that cannot write down what is its own is told', () => {
    const machine = {
      ...facts().machine,
      stateDirectory: { path: '/run/clusterf', obstacle: 'EROFS: read-only file system' },
    };
    expect(troubles(facts({ machine }))).toEqual([
      expect.stringMatching(/^fail state directory: \/run\/clusterf cannot be written: EROFS/),
    ]);
  });

  test('options that make no sense are told', () => {
    expect(troubles(facts({ misconfigured: ['clusterf-ipvs: --profile: "x" is not one of …'] }))).toEqual([
      expect.stringMatching(/^fail options: clusterf-ipvs: --profile/),
    ]);
  });

  test('clusterf up goes by its own name', () => {
    const given = { ...agent({ state: 'silent', lockHolder: 77 }), up: { pid: 77, inMemory: true } };
    expect(troubles(given)).toEqual([expect.stringMatching(/^fail clusterf up: .*\nsystemctl restart clusterf-up /s)]);
  });

  test('what the tree has that cannot be done is told', () => {
    const problems = [{ source: 'etcd', key: 'services/web/frontend', message: 'publishes nothing' }];
    expect(troubles(facts({ tree: tree(WEB, { problems }) }))).toEqual([
      'warn tree: services/web/frontend: publishes nothing\nclusterf validate',
    ]);
    const ipvs = { ...IPVS, sources: ['memory:'] };
    const inMemory = { ...facts({ tree: tree(WEB, { problems }) }), ipvs, up: { pid: 77, inMemory: true } };
    expect(troubles(inMemory)).toEqual([expect.stringMatching(/^warn tree: .*\n# .* clusterf explain CONTAINER /s)]);
  });
});
