import { describe, expect, test } from '@jest/globals';
import { ConfigTree, type SourceEvent, urlHasPrefix } from '@clusterf/model';
import * as fc from 'fast-check';

const WEB = 'services/web/frontend';
const A = 'services/web/backends/a';
const B = 'services/web/backends/b';

function snapshot(entries: Readonly<Record<string, string>>): SourceEvent {
  return { type: 'snapshot', entries: new Map(Object.entries(entries)) };
}

function changes(entries: Readonly<Record<string, string | undefined>>): SourceEvent {
  return { type: 'changes', changes: new Map(Object.entries(entries)) };
}

const nothing = { services: new Set(), routes: false, sync: false, hosts: new Set(), balancers: new Set() };
const noDrains = { hosts: new Map(), backends: new Map(), balancers: new Map() };

function weights(tree: ConfigTree, service = 'web'): Record<string, number> {
  const backends = tree.config.services.get(service)?.backends ?? new Map();
  return Object.fromEntries([...backends].map(([name, { weight }]) => [name, weight]));
}

describe('one source', () => {
  test('a snapshot becomes services, routes and sync settings', () => {
    const tree = new ConfigTree(['memory:']);
    const change = tree.apply(
      0,
      snapshot({
        [WEB]: '{"ipv4":"192.0.2.1","tcp":80}',
        [A]: '{"ipv4":"10.0.0.1","tcp":8080}',
        'routes/lan': '{"Prefix":"10.0.0.0/8","IPVSMethod":"masq"}',
        sync: '{"interface":"eth0"}',
        'balancers/b1/sync': '{"interface":"eth1","syncId":2,"role":"backup"}',
        'balancers/b1/status': 'whatever',
        notes: 'not ours',
      }),
    );
    expect(change).toEqual({ ...nothing, services: new Set(['web']), routes: true, sync: true });
    expect(tree.config).toEqual({
      services: new Map([
        [
          'web',
          {
            frontend: { ipv4: '192.0.2.1', tcp: 80 },
            backends: new Map([['a', { ipv4: '10.0.0.1', tcp: 8080, weight: 10 }]]),
          },
        ],
      ]),
      routes: new Map([['lan', { prefix: '10.0.0.0/8', ipvsMethod: 'masq', priority: 0 }]]),
      sync: { interface: 'eth0', syncId: 0, role: 'both' },
      balancerSync: new Map([['b1', { interface: 'eth1', syncId: 2, role: 'backup' }]]),
      drains: noDrains,
    });
    expect(tree.problems).toEqual([]);
  });

  test('what agents and others put into it is not counted among its entries', () => {
    const tree = new ConfigTree(['memory:']);
    const status = { 'balancers/b1/status': '{}', 'hosts/h1/status': '{}', notes: 'x', 'services/web/note': 'x' };
    tree.apply(0, snapshot({ [WEB]: '{}', [A]: '{"weight":-1}', ...status }));
    expect(tree.entries(0)).toBe(2);
    tree.apply(0, changes({ 'balancers/b1/status': '{"problems":1}', notes: undefined, [B]: '{}' }));
    expect(tree.entries(0)).toBe(3);
    tree.apply(0, snapshot({ [WEB]: '{}', 'hosts/h1/status': '{}' }));
    expect(tree.entries(0)).toBe(1);
    expect(tree.entries(1)).toBe(0);
  });

  test('its digest is that of the configuration as it is written, and of nothing that agents write of themselves', () => {
    const tree = new ConfigTree(['memory:']);
    const empty = tree.digest(0);
    tree.apply(0, snapshot({ [WEB]: '{}', [A]: '{"weight":1}', 'hosts/h1/status': '{}' }));
    const first = tree.digest(0);
    expect(first).not.toBe(empty);
    tree.apply(0, changes({ 'hosts/h1/status': '{"problems":1}', notes: 'x' }));
    expect(tree.digest(0)).toBe(first);
    tree.apply(0, changes({ [A]: '{"weight":-1}' }));
    const bad = tree.digest(0);
    expect(bad).not.toBe(first);
    tree.apply(0, changes({ [A]: ' {"weight":1}', [B]: '{}' }));
    tree.apply(0, changes({ [A]: '{"weight":1}', [B]: undefined }));
    expect(tree.digest(0)).toBe(first);
    expect(tree.digest(1)).toBe(empty);
  });

  test('the same snapshot again changes nothing', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: '{}', [A]: '{"weight":1}' }));
    expect(tree.apply(0, snapshot({ [WEB]: '{}', [A]: '{"weight":1}' }))).toEqual(nothing);
  });

  test('another spelling of the same value changes nothing', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":1,"tcp":80}' }));
    expect(tree.apply(0, changes({ [A]: ' {"TCP":80, "Weight":1, "note":"x"}' }))).toEqual(nothing);
  });

  test('a key that a snapshot lacks is gone, and with its last key the service', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '', 'services/db/backends/x': '' }));
    expect(tree.apply(0, snapshot({ 'services/db/backends/x': '' })).services).toEqual(new Set(['web']));
    expect([...tree.config.services.keys()]).toEqual(['db']);
  });

  test('losing contact changes nothing', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":1}' }));
    expect(tree.apply(0, { type: 'unavailable', error: new Error('gone') })).toEqual(nothing);
    expect(weights(tree)).toEqual({ a: 1 });
  });

  test('routes and sync settings go when their keys go', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ 'routes/r': '', sync: '{"interface":"eth0"}', 'balancers/b/sync': '{"interface":"e"}' }));
    expect(tree.apply(0, changes({ 'routes/r': undefined })).routes).toBe(true);
    expect(tree.apply(0, changes({ sync: undefined, 'balancers/b/sync': undefined })).sync).toBe(true);
    expect(tree.config).toEqual({ services: new Map(), routes: new Map(), balancerSync: new Map(), drains: noDrains });
  });
});

describe('a bad entry', () => {
  test('keeps the last good weight when an entry turns invalid, and says so', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":5}', [B]: '{"weight":6}' }));
    expect(tree.apply(0, changes({ [A]: '{"weight":-1}', [B]: '{"weight":7}' })).services).toEqual(new Set(['web']));
    expect(weights(tree)).toEqual({ a: 5, b: 7 });
    expect(tree.quarantined).toEqual([{ source: 'memory:', key: A }]);
    expect(tree.problems).toEqual([
      {
        source: 'memory:',
        key: A,
        message:
          'weight is -1; expected a weight, a whole number from 0 to 2147483647; the last good value stays in force',
      },
    ]);
  });

  test('keeps the last good value when it arrives in a snapshot, and through several bad ones', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":5}' }));
    expect(tree.apply(0, snapshot({ [A]: '{' }))).toEqual(nothing);
    expect(tree.apply(0, snapshot({ [A]: '[]' }))).toEqual(nothing);
    expect(weights(tree)).toEqual({ a: 5 });
  });

  test('is forgotten when it is mended', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":5}' }));
    tree.apply(0, changes({ [A]: '{' }));
    tree.apply(0, changes({ [A]: '{"weight":6}' }));
    expect(weights(tree)).toEqual({ a: 6 });
    expect([tree.problems, tree.quarantined, tree.rejected]).toEqual([[], [], []]);
  });

  test('is deleted when its key is deleted, and its last good value with it', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"weight":5}', [B]: '' }));
    tree.apply(0, changes({ [A]: '{' }));
    tree.apply(0, changes({ [A]: undefined }));
    tree.apply(0, changes({ [A]: '{' }));
    expect(weights(tree)).toEqual({ b: 10 });
    expect(tree.quarantined).toEqual([]);
  });

  test('that never was good is rejected, and everything else goes on', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{', [B]: '' }));
    expect(weights(tree)).toEqual({ b: 10 });
    expect(tree.rejected).toEqual([{ source: 'memory:', key: A }]);
    expect(tree.quarantined).toEqual([]);
    tree.apply(0, changes({ [A]: '[' }));
    expect(tree.rejected).toEqual([{ source: 'memory:', key: A }]);
    tree.apply(0, changes({ [A]: undefined }));
    expect(tree.rejected).toEqual([]);
  });

  test('that turns up after its source was read was nothing before: a problem that holds nothing back', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [B]: '' }));
    tree.apply(0, changes({ [A]: '{' }));
    expect(tree.problems).toHaveLength(1);
    expect(tree.rejected).toEqual([]);
  });

  test('problems come by source, then by key', () => {
    const tree = new ConfigTree(['z:', 'a:']);
    tree.apply(1, snapshot({ [B]: '{', [A]: '{' }));
    tree.apply(0, snapshot({ 'services/web/frontned': '', [WEB]: '{"tcp":0}' }));
    expect(tree.problems.map(({ source, key }) => `${source} ${key}`)).toEqual([
      `z: ${WEB}`,
      'z: services/web/frontned',
      `a: ${A}`,
      `a: ${B}`,
    ]);
  });
});

describe('a drain', () => {
  const DRAINS = {
    'drain/hosts/h1': '{"reason":"disk"}',
    'drain/backends/web/a': '',
    'drain/balancers/lb1': '{"since":"2026-01-01T00:00:00Z"}',
  };

  test('of a host, a backend or a balancer is told by name, and goes with its key', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '{"host":"h1"}' }));
    const change = { ...nothing, services: new Set(['web']), hosts: new Set(['h1']), balancers: new Set(['lb1']) };
    expect(tree.apply(0, changes(DRAINS))).toEqual(change);
    expect(tree.config.drains).toEqual({
      hosts: new Map([['h1', { reason: 'disk' }]]),
      backends: new Map([['web/a', {}]]),
      balancers: new Map([['lb1', { since: '2026-01-01T00:00:00Z' }]]),
    });
    expect(weights(tree)).toEqual({ a: 10 }); // What the tree says of the backend itself is left alone.
    expect(tree.entries(0)).toBe(4);
    expect(tree.apply(0, snapshot({ [A]: '{"host":"h1"}' }))).toEqual(change);
    expect(tree.config.drains).toEqual(noDrains);
  });

  test.each(['reboot', '{"reason":7}'])('holds whatever is written into it, and a problem says so: %s', (text) => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ 'drain/hosts/h1': text }));
    expect([...tree.config.drains.hosts.keys()]).toEqual(['h1']);
    expect(tree.problems).toEqual([
      {
        source: 'memory:',
        key: 'drain/hosts/h1',
        message: expect.stringMatching(/; expected .*: drained all the same$/),
      },
    ]);
    expect([tree.rejected, tree.quarantined]).toEqual([[], []]);
    tree.apply(0, changes({ 'drain/hosts/h1': '' }));
    expect(tree.problems).toEqual([]);
  });

  test('of a service that is not there makes none', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ 'drain/backends/db/x': '' }));
    expect(tree.config.services.size).toBe(0);
  });

  test('does not keep a tree alive that has lost every frontend', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: '' }));
    tree.apply(0, snapshot({ 'drain/hosts/h1': '' }));
    expect([...tree.config.services.keys()]).toEqual(['web']);
    expect(tree.config.drains).toEqual(noDrains);
  });
});

describe('a value nobody would write', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  test.each([
    ['nested as deep as you like', `{"ipv4":${deep}}`],
    ['nested in what is ignored', `{"other":${deep}}`],
    ['nested in a list', `{"schedulerFlags":[${deep}]}`],
    ['a megabyte long', JSON.stringify({ ipv4: 'x'.repeat(1_000_000) })],
    ['a list of a thousand mistakes', JSON.stringify({ schedulerFlags: Array.from({ length: 1000 }, () => 'x') })],
  ])('%s is a problem or ignored, in few and short words', (_, text) => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: text, [A]: text, 'routes/r': text, sync: text }));
    for (const { message } of tree.problems) expect(message.length).toBeLessThan(300);
    expect(tree.problems.length).toBeLessThanOrEqual(10);
  });
});

describe('one bad entry among a thousand', () => {
  const megabyte = 'x'.repeat(1_000_000);
  const shown = 'x'.repeat(60);
  /** Where to put it, what, and what a person is told. */
  const bad: [string, string, string, string][] = [
    ['a value of 1 MB that is not JSON', A, megabyte, `the value is "${shown}…"; expected a JSON object`],
    [
      'an address of 1 MB',
      A,
      JSON.stringify({ ipv4: megabyte }),
      `ipv4 "${shown}…" is not an IPv4 address such as 10.0.0.1`,
    ],
    ['a JSON list', A, '[{"tcp":80}]', 'the value is "[{\\"tcp\\":80}]"; expected a JSON object'],
    ['a JSON text', A, '"tcp"', 'the value is "\\"tcp\\""; expected a JSON object'],
    ['a JSON number', A, '80', 'the value is "80"; expected a JSON object'],
    ['a JSON truth', A, 'true', 'the value is "true"; expected a JSON object'],
    ['half a JSON object', A, '{"tcp":80', 'the value is "{\\"tcp\\":80"; expected a JSON object'],
    [
      'an address with a leading zero',
      A,
      '{"ipv4":"10.0.0.01"}',
      'ipv4 "10.0.0.01" is not an IPv4 address such as 10.0.0.1 (leading zeros are ambiguous: some read them as octal)',
    ],
    [
      'a virtual address with a leading zero',
      WEB,
      '{"ipv4":"010.0.0.1"}',
      'ipv4 "010.0.0.1" is not an IPv4 address such as 10.0.0.1 (leading zeros are ambiguous: some read them as octal)',
    ],
    [
      'a prefix with a leading zero',
      'routes/r',
      '{"Prefix":"010.0.0.0/8"}',
      'prefix "010.0.0.0/8": "010.0.0.0" is not an IPv4 or IPv6 address (leading zeros are ambiguous: some read them as octal)',
    ],
    ['port 65536', A, '{"tcp":65536}', 'tcp is 65536; expected a port, a whole number from 1 to 65535'],
    ['port -1', A, '{"tcp":-1}', 'tcp is -1; expected a port, a whole number from 1 to 65535'],
    ['port "80"', A, '{"udp":"80"}', 'udp is "80"; expected a port, a whole number from 1 to 65535'],
    ['port 80.5', WEB, '{"sctp":80.5}', 'sctp is 80.5; expected a port, a whole number from 1 to 65535'],
  ];

  /** 1,000 services, of which `web` is one. */
  const others = Object.fromEntries(
    Array.from({ length: 999 }, (_, i) => [`services/s${i}/frontend`, `{"ipv4":"192.0.2.1","tcp":${i + 1}}`]),
  );

  test.each(bad)('%s from the start is a problem, and all others go on', (_, key, value, message) => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ ...others, [key]: value }));
    expect(tree.problems).toEqual([{ source: 'memory:', key, message }]);
    expect(tree.rejected).toEqual([{ source: 'memory:', key }]);
    expect([tree.config.services.size, tree.config.routes.size]).toEqual([999, 0]);
  });

  test.each(bad)('%s leaves the last good value in force, and all others go on', (_, key, value, message) => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ ...others, [key]: '{"ipv4":"10.0.0.1","tcp":80,"Prefix":"10.0.0.0/8"}' }));
    const before = structuredClone(tree.config);
    expect(tree.apply(0, changes({ [key]: value }))).toEqual(nothing);
    expect(tree.config).toEqual(before);
    expect(tree.problems).toEqual([
      { source: 'memory:', key, message: `${message}; the last good value stays in force` },
    ]);
    tree.apply(0, changes({ 'services/s0/frontend': '{"ipv4":"192.0.2.2","tcp":1}' }));
    expect(tree.config.services.get('s0')?.frontend).toEqual({ ipv4: '192.0.2.2', tcp: 1 });
  });

  test('a port of 0 is taken as none, as the Go program took it, and is a problem still', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ ...others, [A]: '{"tcp":0,"udp":53}' }));
    expect(tree.config.services.get('web')?.backends.get('a')).toEqual({ udp: 53, weight: 10 });
    expect(tree.problems).toEqual([
      {
        source: 'memory:',
        key: A,
        message: 'tcp is 0; expected a port, a whole number from 1 to 65535: taken as none',
      },
    ]);
  });
});

describe('a service name', () => {
  const frontend = '{"ipv4":"192.0.2.1","tcp":80}';
  const long = 'n'.repeat(300);

  test.each(['with spaces', ' ', '🐳', '🐳 Grüße 日本', 'n'.repeat(255), '%2F', '__proto__', 'constructor'])(
    '%j is one like any other',
    (name) => {
      const tree = new ConfigTree(['memory:']);
      tree.apply(0, snapshot({ [`services/${name}/frontend`]: frontend, [`services/${name}/backends/${name}`]: '' }));
      expect(tree.problems).toEqual([]);
      expect([...tree.config.services]).toEqual([
        [name, { frontend: { ipv4: '192.0.2.1', tcp: 80 }, backends: new Map([[name, { weight: 10 }]]) }],
      ]);
    },
  );

  test.each([
    [
      'with "/"',
      'a/b',
      'not a key that is read; expected services/<service>/frontend or services/<service>/backends/<backend>',
    ],
    ['of 300 characters', long, `the name "${'n'.repeat(60)}…" is 300 bytes long; at most 255 were expected`],
    ['of 64 emoji, which are 256 bytes', '🐳'.repeat(64), 'is 256 bytes long; at most 255 were expected'],
    ['that is empty', '', 'the name is empty'],
    ['..', '..', 'the name ".." would mean a directory'],
    ['with a line break', 'a\nb', 'the name "a\\nb" contains a control character'],
  ])('%s is no name: a problem, and all others go on', (_, name, message) => {
    const tree = new ConfigTree(['memory:']);
    const key = `services/${name}/frontend`;
    tree.apply(0, snapshot({ [key]: frontend, [WEB]: frontend }));
    expect([...tree.config.services.keys()]).toEqual(['web']);
    expect(tree.problems).toEqual([{ source: 'memory:', key, message: expect.stringContaining(message) }]);
  });
});

describe('a tree that has lost every frontend when it is read anew', () => {
  const FRONTEND = JSON.stringify({ ipv4: '10.0.0.1', tcp: 80 });

  test('keeps what was there, though agents put their backends back, until it has a frontend again', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: FRONTEND, [A]: '' }));
    expect(tree.apply(0, snapshot({}))).toEqual(nothing);
    expect(tree.apply(0, changes({ [B]: '' }))).toEqual(nothing);
    expect(weights(tree)).toEqual({ a: 10 });
    expect(tree.problems).toMatchObject([{ key: '', message: expect.stringContaining('turned up empty') }]);
    tree.apply(0, changes({ [WEB]: FRONTEND }));
    expect(weights(tree)).toEqual({ b: 10 });
    expect(tree.problems).toEqual([]);
  });

  test('keeps what was there if only backends are read', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: FRONTEND, [A]: '' }));
    expect(tree.apply(0, snapshot({ [B]: '' }))).toEqual(nothing);
    expect(weights(tree)).toEqual({ a: 10 });
  });

  test('obeys where the last frontend is deleted before our eyes', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [WEB]: FRONTEND, [A]: '' }));
    tree.apply(0, changes({ [WEB]: undefined }));
    expect(tree.config.services.get('web')?.frontend).toBeUndefined();
    expect(tree.problems).toEqual([]);
  });
});

describe('a tree that turns up empty', () => {
  test('keeps what was there, and says so', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '' }));
    expect(tree.apply(0, snapshot({}))).toEqual(nothing);
    expect(weights(tree)).toEqual({ a: 10 });
    expect(tree.problems).toMatchObject([{ key: '', message: expect.stringContaining('turned up empty') }]);
  });

  test('is taken as it is once it has entries again, by a snapshot', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '' }));
    tree.apply(0, snapshot({}));
    tree.apply(0, snapshot({ [B]: '' }));
    expect(weights(tree)).toEqual({ b: 10 });
    expect(tree.problems).toEqual([]);
  });

  test('is taken as it is once it has entries again, one by one', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '' }));
    tree.apply(0, snapshot({}));
    expect(tree.apply(0, changes({ [A]: undefined }))).toEqual(nothing);
    tree.apply(0, changes({ [B]: '' }));
    tree.apply(0, changes({ 'services/web/backends/c': '' }));
    expect(weights(tree)).toEqual({ b: 10, c: 10 });
  });

  test('is no surprise when its keys were deleted one by one', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({ [A]: '' }));
    tree.apply(0, changes({ [A]: undefined }));
    expect(tree.apply(0, snapshot({}))).toEqual(nothing);
    expect(tree.config.services.size).toBe(0);
    expect(tree.problems).toEqual([]);
  });

  test('is no surprise at the start', () => {
    const tree = new ConfigTree(['memory:']);
    tree.apply(0, snapshot({}));
    expect([tree.complete, tree.problems]).toEqual([true, []]);
  });
});

describe('several sources', () => {
  test('the tree is complete when each has been read once', () => {
    const tree = new ConfigTree(['a:', 'b:']);
    tree.apply(1, snapshot({}));
    tree.apply(0, { type: 'unavailable', error: new Error('gone') });
    expect(tree.complete).toBe(false);
    tree.apply(0, snapshot({}));
    expect(tree.complete).toBe(true);
  });

  test("a later source's frontend replaces the whole, backends merge by name, whatever comes first", () => {
    const first = snapshot({ [WEB]: '{"ipv4":"192.0.2.1","tcp":80}', [A]: '{"weight":1}', [B]: '{"weight":1}' });
    const second = snapshot({ [WEB]: '{"udp":53}', [B]: '{"weight":2}' });
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const tree = new ConfigTree(['a:', 'b:']);
      for (const index of order) {
        tree.apply(index, index === 0 ? first : second);
      }
      expect(tree.config.services.get('web')?.frontend).toEqual({ udp: 53 });
      expect(weights(tree)).toEqual({ a: 1, b: 2 });
    }
  });

  test("the earlier source's entry shows again when the later's goes", () => {
    const tree = new ConfigTree(['a:', 'b:']);
    tree.apply(0, snapshot({ [A]: '{"weight":1}' }));
    tree.apply(1, snapshot({ [A]: '{"weight":2}' }));
    expect(tree.apply(1, changes({ [A]: undefined })).services).toEqual(new Set(['web']));
    expect(weights(tree)).toEqual({ a: 1 });
  });

  test("a change behind a later source's entry changes nothing", () => {
    const tree = new ConfigTree(['a:', 'b:']);
    tree.apply(0, snapshot({ [A]: '{"weight":1}' }));
    tree.apply(1, snapshot({ [A]: '{"weight":2}' }));
    expect(tree.apply(0, changes({ [A]: '{"weight":3}' }))).toEqual(nothing);
  });

  test("a later source's bad entry that never was good does not hide the earlier one", () => {
    const tree = new ConfigTree(['a:', 'b:']);
    tree.apply(0, snapshot({ [A]: '{"weight":1}' }));
    tree.apply(1, snapshot({ [A]: '{' }));
    expect(weights(tree)).toEqual({ a: 1 });
  });

  test('--filter-routes takes routes from matching sources only, and everything else from all', () => {
    const tree = new ConfigTree(['file:///etc/clusterf', 'etcd+http://h:2379/clusterf'], { filterRoutes: 'file:' });
    tree.apply(0, snapshot({ 'routes/r': '{"Gateway":"10.0.0.1"}' }));
    const change = tree.apply(1, snapshot({ 'routes/r': '{"Gateway":"10.0.0.2"}', 'routes/s': '{', [A]: '' }));
    expect(change).toEqual({ ...nothing, services: new Set(['web']) });
    expect([...tree.config.routes.values()]).toEqual([{ gateway: '10.0.0.1', priority: 0 }]);
    expect(tree.problems).toEqual([]);
  });

  test('a source that was not declared is a bug', () => {
    expect(() => new ConfigTree(['a:']).apply(1, snapshot({}))).toThrow(RangeError);
  });
});

describe('a URL begins with what --filter-routes says', () => {
  test.each([
    ['etcd+http://h1:2379/clusterf', '', true],
    ['etcd+http://h1:2379/clusterf', 'etcd+http://h1:2379/clusterf', true],
    ['etcd+http://h1:2379/clusterf', 'etcd://h1:2379/clusterf', true],
    ['etcd+https://h1:2379/clusterf', 'etcd://h1/clusterf', true],
    ['etcd+https://h1:2379/clusterf', 'etcd+http://h1/clusterf', false],
    ['etcd+http://h1:2379,h2:2380/clusterf', 'etcd://h1,h2:2380/', true],
    ['etcd+http://[::1]:2379/clusterf', 'etcd://[::1]/clusterf', true],
    ['etcd+http://h1:2379/clusterf', 'etcd:///clusterf', true],
    ['etcd+http://h1:2379/clusterf', 'etcd:///clusterf/', true],
    ['etcd+http://h1:2379/clusterf', 'etcd:///other', false],
    ['etcd+http://h1:2379/clusterf', 'etcd://h2/clusterf', false],
    ['etcd+http://h1:2379/clusterf', 'etcd', true],
    ['etcd+http://h1:2379/clusterf', 'etcd://', true],
    ['etcd+http://h1:2379/clusterf', 'etcd://h1', true],
    ['etcd+http://h1:2379/clusterf', 'file://', false],
    ['file:///etc/clusterf', 'file:///etc/', true],
    ['file:///etc/clusterf', 'file:///etc/clusterf/', true],
    ['file://conf/clusterf', 'file:///conf', false],
    ['memory:', 'etcd://', false],
  ])('%s, %j: %s', (url, prefix, expected) => {
    expect(urlHasPrefix(url, prefix)).toBe(expected);
  });
});

/** A service as JSON can compare it, with the drains of its backends. */
function flat(config: ConfigTree['config'], name: string) {
  const service = config.services.get(name);
  const drains = [...config.drains.backends].filter(([backend]) => backend.startsWith(`${name}/`));
  return [service?.frontend, sorted(service?.backends ?? []), sorted(drains)];
}

function sorted<T>(named: Iterable<readonly [string, T]>): readonly (readonly [string, T])[] {
  return [...named].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

describe('properties', () => {
  const good = fc.constantFrom('', '{"weight":1}', '{"weight":2}', '{"tcp":80}', '{"reason":"disk"}');
  const drains = ['drain/hosts/h', 'drain/backends/web/a', 'drain/backends/db/x', 'drain/balancers/b'];
  const others = ['services/db/backends/x', 'routes/r', 'routes/s', 'nobody/knows', 'sync'];
  const path = fc.constantFrom(WEB, A, B, ...others, ...drains);
  const step = fc.record({
    source: fc.nat({ max: 2 }),
    changes: fc.dictionary(path, fc.option(good, { nil: undefined })),
  });
  const sources = ['a:', 'b:', 'c:'];

  test('any sequence of changes is the snapshot of where it ends', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const incremental = new ConfigTree(sources);
        const final = sources.map(() => new Map<string, string>());
        for (const { source, changes: some } of steps) {
          incremental.apply(source, changes(some));
          for (const [key, text] of Object.entries(some)) {
            if (text === undefined) {
              final[source]?.delete(key);
            } else {
              final[source]?.set(key, text);
            }
          }
        }
        const scratch = new ConfigTree(sources);
        for (const [index, entries] of final.entries()) {
          scratch.apply(index, { type: 'snapshot', entries });
          expect(incremental.apply(index, { type: 'snapshot', entries })).toEqual(nothing);
        }
        expect(incremental.config).toEqual(scratch.config);
        expect(incremental.problems).toEqual(scratch.problems);
        for (const index of final.keys()) expect(incremental.digest(index)).toBe(scratch.digest(index));
      }),
    );
  });

  test('a change names exactly the services that differ', () => {
    fc.assert(
      fc.property(fc.array(step), step, (steps, last) => {
        const tree = new ConfigTree(sources);
        for (const { source, changes: some } of steps) {
          tree.apply(source, changes(some));
        }
        const before = structuredClone(tree.config);
        const change = tree.apply(last.source, changes(last.changes));
        const names = ['web', 'db'];
        const differing = [...names].filter(
          (name) => JSON.stringify(flat(before, name)) !== JSON.stringify(flat(tree.config, name)),
        );
        expect([...change.services].toSorted()).toEqual(differing.toSorted());
        for (const kind of ['hosts', 'balancers'] as const) {
          const drained = (config: typeof before) => JSON.stringify([...config.drains[kind]]);
          expect(change[kind].size > 0).toBe(drained(before) !== drained(tree.config));
        }
      }),
    );
  });

  test('no text and no path makes the tree throw', () => {
    const paths = fc.oneof(path, fc.string());
    const texts = fc.option(fc.oneof(good, fc.string(), fc.json()), { nil: undefined });
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(paths, texts))), (events) => {
        const tree = new ConfigTree(['a:']);
        for (const event of events) {
          tree.apply(0, { type: 'changes', changes: new Map(event) });
        }
        expect(tree.quarantined.length).toBeLessThanOrEqual(tree.problems.length);
      }),
    );
  });
});

function manyBackends(count: number): Map<string, string> {
  const names = Array.from({ length: count }, (_, i) => i);
  return new Map(
    names.map((i) => [
      `services/s${i % 10}/backends/b${i}`,
      `{"ipv4":"10.0.${i >> 8}.${i & 255}","tcp":8080,"weight":10}`,
    ]),
  );
}

/** Seconds of CPU that something takes; the clock on the wall would count what others do. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function rewrite(tree: ConfigTree, times: number): void {
  for (let i = 0; i < times; i++) {
    tree.apply(0, changes({ 'services/s0/backends/b0': `{"weight":${i}}` }));
  }
}

test('10,000 backends merge in well under a second, and one change costs as little as among ten', () => {
  const [small, large] = [new ConfigTree(['a:', 'b:']), new ConfigTree(['a:', 'b:'])];
  small.apply(0, { type: 'snapshot', entries: manyBackends(10) });
  rewrite(small, 2000);
  const entries = manyBackends(10_000);
  expect(cost(() => large.apply(0, { type: 'snapshot', entries }))).toBeLessThan(1);
  const [amongTen, amongMany] = [cost(() => rewrite(small, 2000)), cost(() => rewrite(large, 2000))];
  // At O(tree) this would be a factor of hundreds.
  expect(amongMany).toBeLessThan(Math.max(0.05, amongTen) * 10);
});
