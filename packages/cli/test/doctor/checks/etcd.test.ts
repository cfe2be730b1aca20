import { describe, expect, test } from '@jest/globals';
import { judge } from '../../../src/doctor/judge.js';
import { facts, findings, troubles } from '../site.js';

const url = 'etcd+http://127.0.0.1:2379/clusterf';

const member = {
  host: '127.0.0.1:2379',
  version: '3.4.23',
  latency: 1,
  alarms: [],
  size: 1,
  quota: 100,
  clock: { ahead: 10, uncertainty: 501 },
};

const given = (...members: readonly object[]) =>
  facts({ etcd: [{ url, members: members.map((more) => ({ ...member, ...more })), access: [] }] });

describe('etcd', () => {
  test('that nobody reaches is a failure; one of several is a warning', () => {
    const away = { error: 'etcd 127.0.0.1:2379 does not answer (connect ECONNREFUSED)' };
    expect(findings(given(away), 'etcd')[0]).toMatchObject({
      severity: 'fail',
      mend: expect.stringMatching(/^etcdctl --endpoints=127\.0\.0\.1:2379 endpoint health/),
    });
    expect(findings(given(away, {}), 'etcd')[0]?.severity).toBe('warn');
  });

  test.each([
    [
      'it does not know the user "ops" of --etcd-user with the password in --etcd-password-file /p (authentication failed)',
      /user passwd ops {4}#/,
    ],
    ['its certificate has expired (certificate has expired)', /^openssl s_client -connect 127\.0\.0\.1:2379 /],
    ['it wants to know who asks; expected --etcd-user and --etcd-password-file', /^# .* docs\/security\.md/],
  ])('that answers “%s” is mended there, and not on the way to it', (error, mend) => {
    expect(findings(given({ error: `etcd 127.0.0.1:2379: ${error}` }), 'etcd')[0]).toMatchObject({
      severity: 'fail',
      mend: expect.stringMatching(mend),
    });
  });

  test('is not missed where clusterf up keeps the tree in memory', () => {
    expect(findings(facts({ up: { pid: 77, inMemory: true } }), 'etcd')).toEqual([
      { check: 'etcd', severity: 'ok', found: 'none is needed: clusterf up, process 77, keeps the tree in memory' },
    ]);
    expect(findings(facts({ up: { pid: 77, inMemory: false } }), 'etcd')).toEqual([]);
  });

  test.each<[string, object, string, RegExp]>([
    ['too old', { version: '3.2.1' }, 'fail', /version 3\.2\.1; expected 3\.3/],
    ['slow', { latency: 250 }, 'warn', /takes 250 ms/],
    ['full', { alarms: ['NOSPACE'] }, 'fail', /alarm NOSPACE/],
    [
      'nearly full',
      { size: 90 * 2 ** 20, quota: 100 * 2 ** 20 },
      'warn',
      /used 90 % of its space \(90 MiB of 100 MiB\)/,
    ],
    ['corrupt', { alarms: ['CORRUPT'] }, 'fail', /corrupt/],
    ['without a leader', { leaderless: true }, 'fail', /knows no leader/],
  ])('that is %s is told', (_, more, severity, expected) => {
    expect(judge(given(more)).filter((finding) => finding.severity !== 'ok')).toEqual([
      expect.objectContaining({
        check: 'etcd',
        severity,
        found: expect.stringMatching(expected),
        why: expect.any(String),
      }),
    ]);
  });

  test('whose clock differs by more than can be an error of measuring is told', () => {
    expect(troubles(given({ clock: { ahead: 2400, uncertainty: 501 } }))).toEqual([]);
    expect(findings(given({ clock: { ahead: -90_000, uncertainty: 501 } }), 'clock')[0]).toMatchObject({
      severity: 'warn',
      found: expect.stringMatching(/is 90 s behind/),
    });
  });

  test('that lets this user write nothing is told key by key', () => {
    const access = [
      { path: '', access: 'read', allowed: true },
      { path: 'balancers/lb1/status', access: 'write', allowed: false, reason: 'permission denied' },
    ] as const;
    expect(troubles(facts({ etcd: [{ url, members: [member], access }] }))).toEqual([
      expect.stringMatching(
        /^fail permissions: .*balancers\/lb1\/status cannot be written: permission denied\nclusterf etcd-roles --balancer lb1 /,
      ),
    ]);
  });

  test('in the clear over a network is told, on this machine it is not', () => {
    const remote = [
      { url: 'etcd+http://10.9.9.9:2379/clusterf', members: [{ ...member, host: '10.9.9.9:2379' }], access: [] },
    ];
    expect(troubles(facts({ etcd: remote }))).toEqual([expect.stringMatching(/in the clear/)]);
    expect(troubles(given({}))).toEqual([]);
  });
});
