import { describe, expect, test } from '@jest/globals';
import { remedyFor, treeRoles } from '@clusterf/store';

type Cast = Parameters<typeof treeRoles>[0];

const CAST: Cast = { prefix: '/clusterf', hosts: [], balancers: [], services: [], frontends: false, routes: false };

function grantsOf(role: string, cast: Partial<Cast>): string[] {
  const { grants = [] } = treeRoles({ ...CAST, ...cast }).roles.find(({ name }) => name === role) ?? {};
  return grants.map(({ access, key, prefix }) => `${access} ${key}${prefix ? '*' : ''}`);
}

describe('a Docker host', () => {
  test('has what it says of itself, the tree to read, and the backends of the services named', () => {
    const cast = { hosts: ['h1'], services: ['web', 'db'] };
    expect(treeRoles({ ...CAST, ...cast }).users[0]).toEqual({
      name: 'clusterf-docker-h1',
      roles: ['clusterf-read', 'clusterf-backends', 'clusterf-host-h1'],
    });
    expect(grantsOf('clusterf-read', cast)).toEqual(['read /clusterf/*']);
    expect(grantsOf('clusterf-host-h1', cast)).toEqual(['write /clusterf/hosts/h1/status']);
    expect(grantsOf('clusterf-backends', cast)).toEqual([
      'write /clusterf/services/web/backends/*',
      'write /clusterf/services/db/backends/*',
    ]);
  });

  test('has frontends and routes where that is asked for', () => {
    const cast = { hosts: ['h1'], services: ['web'], frontends: true, routes: true };
    expect(grantsOf('clusterf-host-h1', cast)).toContain('write /clusterf/routes/h1-*');
    expect(grantsOf('clusterf-backends', cast)).toContain('write /clusterf/services/web/frontend');
  });

  test('has all services where none is named: the keys of their frontends are not apart', () => {
    expect(grantsOf('clusterf-backends', { hosts: ['h1'] })).toEqual(['write /clusterf/services/*']);
  });
});

test('a balancer reads, and says of itself how it is', () => {
  const cast = { balancers: ['lb1'] };
  expect(treeRoles({ ...CAST, ...cast }).users[0]).toEqual({
    name: 'clusterf-ipvs-lb1',
    roles: ['clusterf-read', 'clusterf-balancer-lb1'],
  });
  expect(grantsOf('clusterf-balancer-lb1', cast)).toEqual(['write /clusterf/balancers/lb1/status']);
});

test('an operator has everything but what agents say of themselves', () => {
  expect(grantsOf('clusterf-operator', { hosts: ['h1'], balancers: ['lb1'] })).toEqual([
    'write /clusterf/services/*',
    'write /clusterf/routes/*',
    'write /clusterf/sync',
    'write /clusterf/balancers/lb1/sync',
    'write /clusterf/drain/*',
  ]);
});

test.each([
  ['/prod/lb', 'prod-lb-read', '/prod/lb/'],
  ['', 'clusterf-read', '/'],
])('a tree at %j has roles of its own name', (prefix, name, key) => {
  expect(treeRoles({ ...CAST, prefix }).roles[0]).toMatchObject({
    name,
    grants: [{ access: 'read', key, prefix: true }],
  });
});

describe('what may not be written or read is granted by', () => {
  test.each([
    ['write', 'services/web/backends/a', undefined, 'clusterf-backends', 'clusterf etcd-roles --service web'],
    ['write', "services/it's/backends/a", undefined, 'clusterf-backends', "clusterf etcd-roles --service 'it'\\''s'"],
    ['write', 'services/web/frontend', 'h1', 'clusterf-backends', 'clusterf etcd-roles --service web --frontends'],
    ['write', 'services/web/frontend', undefined, 'clusterf-operator', 'clusterf etcd-roles'],
    ['write', 'routes/h1-lan-ipv4', 'h1', 'clusterf-host-h1', 'clusterf etcd-roles --host h1 --routes'],
    ['write', 'hosts/h1/status', 'h1', 'clusterf-host-h1', 'clusterf etcd-roles --host h1'],
    ['write', 'balancers/lb1/status', undefined, 'clusterf-balancer-lb1', 'clusterf etcd-roles --balancer lb1'],
    ['write', 'balancers/lb1/sync', undefined, 'clusterf-operator', 'clusterf etcd-roles --balancer lb1'],
    ['write', 'drain/hosts/h1', undefined, 'clusterf-operator', 'clusterf etcd-roles'],
    ['read', '', undefined, 'clusterf-read', 'clusterf etcd-roles'],
  ] as const)('%s %s (host %s): %s', (access, path, host, role, command) => {
    expect(remedyFor('/clusterf', access, path, host)).toEqual({ role, command });
    const { roles } = treeRoles({ ...CAST, hosts: ['h1'], balancers: ['lb1'] });
    expect(roles.map(({ name }) => name)).toContain(role);
  });

  test('the prefix is said where it is not the usual one', () => {
    expect(remedyFor('/prod', 'read', '').command).toBe('clusterf etcd-roles --etcd-prefix /prod');
    expect(remedyFor('', 'read', '').command).toBe('clusterf etcd-roles --etcd-prefix /');
  });
});
