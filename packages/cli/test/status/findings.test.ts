import { describe, expect, test } from '@jest/globals';
import { findings } from '../../src/status/findings.js';
import { overview } from '../../src/status/overview.js';
import { type Entries, HOST, LB, reading, WEB } from './reading.js';

/** What is wrong, a line each. */
function wrong(entries: Entries, left: Readonly<Record<string, number>> = {}): readonly string[] {
  return findings(overview(reading(entries, left))).map(({ about, message }) => `${about}: ${message}`);
}

const WELL = { ...WEB, 'balancers/lb1/status': LB, 'balancers/lb2/status': LB, 'hosts/h1/status': HOST };

test('nothing is wrong where every agent says so and renews its lease', () => {
  expect(wrong(WELL)).toEqual([]);
});

describe('of a Docker host, it is told that', () => {
  test('it has missed its renewals, and what goes with it', () => {
    expect(wrong(WELL, { 'hosts/h1/status': 3 })).toEqual([
      'host h1: its docker-agent has not renewed its lease: look whether it, or its way to etcd, is down; 1 backend of it will be gone in 3s',
    ]);
  });

  test('its agent has ended', () => {
    const stopped = '2026-01-01T01:00:00.000Z';
    expect(wrong({ ...WELL, 'hosts/h1/status': { ...HOST, stopped } })).toEqual([
      `host h1: its docker-agent has ended (${stopped}); 1 backend of it will be gone in 8s unless it is started again`,
    ]);
  });

  test('its status is gone while its backends are there', () => {
    const { 'hosts/h1/status': _, ...rest } = WELL;
    expect(wrong(rest)).toEqual([
      'host h1: no docker-agent has this name, and 1 backend of it is in the tree: nobody keeps them up to date',
    ]);
  });

  test('it has problems of its own', () => {
    expect(wrong({ ...WELL, 'hosts/h1/status': { ...HOST, problems: 2 } })).toEqual([
      'host h1: its docker-agent reports 2 problems; there, its log and curl http://127.0.0.1:9781/status say which',
    ]);
  });
});

describe('of a balancer, it is told that', () => {
  test.each([
    [{ ready: false }, 'it has not done its first pass yet'],
    [{ tree: 'other' }, 'it has not read the tree as it is now: look at its log'],
    [{ brake: true, held: 3 }, 'its brake holds 3 destinations that the tree has lost; docs/balancer.md'],
    [
      { held: 1 },
      'it holds back the removal of 1 destination; there, its log and curl http://127.0.0.1:9780/status say which',
    ],
    [
      { retrying: 1 },
      'its kernel refuses something of 1 virtual service; there, its log and curl http://127.0.0.1:9780/status say why',
    ],
    [
      { retrying: 7, refused: ['tcp 10.0.0.1:80', 'tcp 10.0.0.2:80'] },
      'its kernel refuses something of tcp 10.0.0.1:80, tcp 10.0.0.2:80 and 5 more; there, its log and curl http://127.0.0.1:9780/status say why',
    ],
    [{ quarantined: 2 }, 'it goes by the last good value of 2 entries that cannot be read'],
    [
      { problems: 1 },
      'it reports 1 problem of its own; there, its log and curl http://127.0.0.1:9780/status say which',
    ],
  ])('where it says %j', (said, message) => {
    expect(wrong({ ...WELL, 'balancers/lb1/status': { ...LB, ...said } })).toEqual([`balancer lb1: ${message}`]);
  });

  test('it has missed its renewals', () => {
    expect(wrong(WELL, { 'balancers/lb2/status': 0 })).toEqual([
      expect.stringMatching(/^balancer lb2: its agent has not renewed its lease and shows for 0s more/),
    ]);
  });

  test('there is none, though something is published', () => {
    const { 'balancers/lb1/status': _, 'balancers/lb2/status': __, ...rest } = WELL;
    expect(wrong(rest)).toEqual([expect.stringMatching(/^balancers: none is there/)]);
  });

  describe('its virtual addresses are taken away by a drain,', () => {
    const edge = { ...LB, vipInterface: 'clusterf0' };
    const both = { ...WELL, 'balancers/lb1/status': edge, 'balancers/lb2/status': edge };
    const [one, other] = [{ 'drain/balancers/lb1': {} }, { 'drain/balancers/lb2': {} }];

    test('and so are those of all others', () => {
      expect(wrong({ ...both, ...one, ...other })).toEqual([
        'balancers: all are drained (lb1, lb2): no virtual address can be reached; clusterf undrain balancer lb1',
      ]);
    });

    test('not while another has them', () => {
      expect(wrong({ ...both, ...one })).toEqual([]);
    });

    test('not where others than the agents give the balancers their addresses, which no drain takes away', () => {
      expect(wrong({ ...WELL, ...one, ...other })).toEqual([]);
    });

    test('and a Docker host’s own balancer is none to have them instead', () => {
      const own = { ...edge, onlyHost: 'h1' };
      expect(wrong({ ...both, ...one, 'balancers/lb2/status': own })).toEqual([
        expect.stringMatching(/^balancers: all are drained \(lb1\): /),
      ]);
    });
  });

  test('it wants another table than the others of the same tree', () => {
    expect(wrong({ ...WELL, 'balancers/lb2/status': { ...LB, table: 'bbbb' } })).toEqual([
      expect.stringMatching(/^balancers: they have read the same tree and want different tables \(lb1 \/ lb2\)/),
    ]);
  });

  test('nothing, where another table is what a host’s own balancer is to have, or it does not say', () => {
    const own = { ...LB, table: 'bbbb', onlyHost: 'h1' };
    const { table: _, ...older } = LB;
    expect(wrong({ ...WELL, 'balancers/h1/status': own, 'balancers/lb3/status': older })).toEqual([]);
  });
});

test('a balancer that has read what the tree was a moment ago is not behind', () => {
  const view = overview(reading({ ...WELL, 'balancers/lb1/status': { ...LB, tree: 'before' } }), new Set(['before']));
  expect(findings(view)).toEqual([]);
});

test('what a balancer reports of the tree is told once, in words', () => {
  const told = { 'services/web/backends/b': { ipv4: 'x' } };
  expect(wrong({ ...WELL, ...told, 'balancers/lb1/status': { ...LB, problems: 1 } })).toHaveLength(1);
  expect(wrong({ ...WELL, ...told, 'balancers/lb1/status': { ...LB, problems: 2 } })).toHaveLength(2);
});

test('a tree without anything is more likely a mistake than a tree', () => {
  expect(wrong({})).toEqual(['etcd+http://127.0.0.1:2379/clusterf: there is nothing here: is this the prefix?']);
});

describe('of a service, it is told that', () => {
  const agents = { 'balancers/lb1/status': LB, 'hosts/h1/status': HOST };
  const [frontend, backend] = Object.values(WEB);

  test('it has no backends', () => {
    expect(wrong({ ...agents, 'services/web/frontend': frontend })).toEqual([
      'service web: it has no backends: connections to it are refused',
    ]);
  });

  test('it has no frontend', () => {
    expect(wrong({ ...agents, 'services/web/backends/a': backend })).toEqual([
      'service web: it has 1 backend and no frontend: it is not published',
    ]);
  });

  test('none of its backends takes connections, and whether somebody wanted it so', () => {
    const idle = { ...WEB, ...agents, 'services/web/backends/a': { ...backend, weight: 0 } };
    expect(wrong(idle)).toEqual(['service web: its only backend takes no new connections: weight 0']);
    expect(wrong({ ...WELL, 'drain/hosts/h1': {} })).toEqual([
      'service web: its only backend takes no new connections: it is drained',
    ]);
  });

  test('its backends have no port that it is published at: none takes connections', () => {
    const entries = {
      ...agents,
      'services/web/frontend': frontend,
      'services/web/backends/a': { ipv4: '10.1.0.1' },
      'services/web/backends/b': { ipv4: '10.1.0.2', udp: 80 },
    };
    expect(overview(reading(entries)).services).toMatchObject([{ backends: 2, taking: 0, weight: 0, unusable: 2 }]);
    expect(wrong(entries)).toEqual([
      'service web: none of its 2 backends takes new connections: no balancer can use them (clusterf explain SERVICE/BACKEND says why)',
    ]);
    const more = {
      ...entries,
      'services/web/backends/c': { ...backend, weight: 0 },
      'services/web/backends/d': backend,
      'drain/backends/web/d': {},
    };
    expect(wrong(more)).toEqual([
      'service web: none of its 4 backends takes new connections: 1 drained, 2 that no balancer can use, 1 of weight 0',
    ]);
  });

  test('it is published where none of its backends takes connections, while others do elsewhere', () => {
    expect(wrong({ ...WELL, 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, udp: 53 } })).toEqual([
      'service web: its only backend takes no new connections at udp 10.0.0.1:53',
    ]);
  });

  test('an entry cannot be read or is left out, in the words of the agents', () => {
    expect(wrong({ ...WELL, 'routes/r': { Prefix: '172.17.0.0/16' } })).toEqual([
      'service web: its only backend takes no new connections: no balancer can use it (clusterf explain SERVICE/BACKEND says why)',
      'services/web/frontend: route r has no IPVSMethod: backends left out: 1',
    ]);
    expect(wrong({ ...WELL, 'services/web/backends/b': { ipv4: 'x' } })).toEqual([
      expect.stringMatching(/^services\/web\/backends\/b: ipv4 "x" is not an IPv4 address/),
    ]);
  });
});

test('versions that differ are told with who has which', () => {
  expect(wrong({ ...WELL, 'hosts/h1/status': { ...HOST, version: '0.2.0' } })).toEqual([
    'versions: they differ (0.1.0: balancer lb1, balancer lb2; 0.2.0: host h1): upgrade those that are behind',
  ]);
});
