import { describe, expect, test } from '@jest/globals';
import { facts, findings, IPVS, local, network, tree, troubles, WEB } from '../site.js';

const elsewhere = network({
  interfaces: network().interfaces.filter(({ loopback }) => !loopback),
  local: local('127.0.0.0/8', '192.0.2.10/32', '10.1.0.1/32'),
});

const bound = { ...IPVS, vipInterface: 'clusterf0' };

describe('virtual addresses', () => {
  test('that no device has are not balanced', () => {
    expect(troubles(facts({ network: elsewhere }))).toEqual([
      expect.stringMatching(
        /^fail virtual addresses: no device of this machine has 10\.0\.0\.1\nip address add 10\.0\.0\.1\/32 dev lo/,
      ),
    ]);
  });

  test('that the agent is to bind are missed only while it runs', () => {
    const stopped = {
      ipvs: { unit: 'enabled', listen: '127.0.0.1:9780', state: 'nobody' },
      docker: undefined,
    } as const;
    expect(findings(facts({ network: elsewhere, ipvs: bound }), 'virtual addresses')[0]?.severity).toBe('fail');
    expect(findings(facts({ network: elsewhere, ipvs: bound, agents: stopped }), 'virtual addresses')).toEqual([
      { check: 'virtual addresses', severity: 'ok', found: '10.0.0.1: bound when clusterf-ipvs runs' },
    ]);
  });

  test('that a drain has taken away are told of as that, and never put back by hand', () => {
    const drained = tree({ ...WEB, 'drain/balancers/lb1': {} });
    expect(troubles(facts({ network: elsewhere, ipvs: bound, tree: drained }))).toEqual([
      'warn virtual addresses: balancer lb1 is drained: 10.0.0.1 taken away\nclusterf undrain balancer lb1',
    ]);
    expect(troubles(facts({ tree: drained }))).toEqual([
      'warn virtual addresses: balancer lb1 is drained: 10.0.0.1 is here all the same\nclusterf undrain balancer lb1',
    ]);
  });

  test('on another device than the agent’s are announced by nobody', () => {
    expect(troubles(facts({ ipvs: bound }))).toEqual([
      'warn virtual addresses: another device than clusterf0 has 10.0.0.1 (lo)\nip address del 10.0.0.1/32 dev lo',
    ]);
  });

  test.each([
    ['a backend’s', { 'services/db/backends/b': { ipv4: '10.0.0.1', tcp: 5432 } }, /that of the backend b of db/],
    [
      'a gateway’s',
      { 'routes/host1': { Prefix: '172.17.0.0/16', Gateway: '10.0.0.1', IPVSMethod: 'droute' } },
      /that of the gateway of the route host1/,
    ],
  ])('that are %s too are a trap', (_, entries, expected) => {
    expect(findings(facts({ tree: tree({ ...WEB, ...entries }) }), 'virtual addresses')).toContainEqual(
      expect.objectContaining({ severity: 'fail', found: expect.stringMatching(expected) }),
    );
  });

  test('that are etcd’s too are a trap', () => {
    const etcd = [{ url: 'etcd+http://10.0.0.1:2379/clusterf', members: [], access: [] }];
    expect(findings(facts({ etcd }), 'virtual addresses')).toContainEqual(
      expect.objectContaining({
        severity: 'fail',
        found: expect.stringMatching(/that of the etcd of the configuration/),
      }),
    );
  });
});
