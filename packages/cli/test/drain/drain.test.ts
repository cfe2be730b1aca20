import { describe, expect, test } from '@jest/globals';
import type { Balancer } from '../../src/drain/balancers.js';
import { known, type Target } from '../../src/drain/known.js';
import { listing } from '../../src/drain/listing.js';
import { obstaclesTo } from '../../src/drain/obstacles.js';
import { progressOf } from '../../src/drain/progress.js';
import { resolve } from '../../src/drain/target.js';

const ID = '4c1f6e0000000000';

/** Two hosts, two services, two balancers; `docker1` is a host and a balancer. */
const TREE = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
  [`services/web/backends/${ID}`]: { ipv4: '172.17.0.2', tcp: 80, host: 'docker1', container: 'web1' },
  'services/web/backends/4c1f6f0000000000': { ipv4: '172.17.0.3', tcp: 80, host: 'docker2', container: 'web2' },
  'services/db/frontend': { ipv4: '10.0.0.1', tcp: 5432 },
  'services/db/backends/x': { ipv4: '172.17.0.4', tcp: 5432, host: 'docker1' },
  'services/none/backends/y': { ipv4: '172.17.0.5', tcp: 1, host: 'docker1' },
  'hosts/docker3/status': {},
  'balancers/docker1/status': { vipInterface: 'vip', onlyHost: 'docker1' },
  'balancers/lb1/status': { vipInterface: 'vip', onlyHost: null },
  'balancers/lb2/status': { vipInterface: 'vip', onlyHost: null },
  'balancers/old/status': { vipInterface: 'vip', onlyHost: null, stopped: '2026-01-01T00:00:00.000Z' },
};

function tree(more: Readonly<Record<string, unknown>> = {}) {
  const entries = Object.entries({ ...TREE, ...more }).filter(([, value]) => value !== undefined);
  return known(new Map(entries.map(([path, value]) => [path, { value: JSON.stringify(value) }])));
}

function named(operands: string, { verb = 'drain', force = false, more = {} } = {}): string {
  const { kind, name } = resolve(operands.split(' '), tree(more), { verb, force });
  return `${kind} ${name}`;
}

function target(text: string): Target {
  const { kind, name } = resolve(text.split(' '), tree(), { verb: 'drain', force: true });
  return { kind, name };
}

describe('what is named', () => {
  test.each([
    ['host docker1', 'host docker1'],
    ['docker2', 'host docker2'],
    ['docker3', 'host docker3'],
    ['lb1', 'balancer lb1'],
    ['balancer old', 'balancer old'],
    ['db/x', 'backend db/x'],
    ['backend db/x', 'backend db/x'],
    ['web/web1', `backend web/${ID}`],
    ['web/4c1f6e', `backend web/${ID}`],
  ])('%s is %s', (operands, expected) => {
    expect(named(operands)).toBe(expected);
  });

  test.each([
    [
      'docker1',
      '"docker1" can mean several things; say which: clusterf drain host docker1 (every backend on it takes no new connections), or clusterf drain balancer docker1 (its virtual addresses are taken away, so that routers send it no more)',
    ],
    [
      'web/4c1f',
      `clusterf drain backend web/${ID} (it takes no new connections), or clusterf drain backend web/4c1f6f0000000000`,
    ],
  ])('%s is ambiguous, and the choices are listed', (operands, message) => {
    expect(() => named(operands)).toThrow(message);
  });

  test.each([
    [
      'host docker9',
      'no host "docker9" in this tree; there are docker1, docker2, docker3. --force drains it all the same',
    ],
    ['balancer x', 'no balancer "x" in this tree; there are docker1, lb1, lb2, old. --force'],
    [
      'web/4c1',
      '"web/4c1" is no host, backend (SERVICE/BACKEND) or balancer of this tree; hosts: docker1, docker2, docker3; balancers:',
    ],
    ['docker9', '"docker9" is no host, backend'],
    ['backend web', '"web" names no backend; expected SERVICE/BACKEND'],
    ['host', 'the name of the host is missing: clusterf drain host NAME'],
    ['node docker1', 'expected host NAME, backend SERVICE/BACKEND, balancer NAME, or a name alone'],
    ['host a b', 'expected host NAME'],
    ['host a/b', 'contains "/"'],
  ])('%s is refused, with what there is', (operands, message) => {
    expect(() => named(operands)).toThrow(message);
  });

  test('--force takes a name of a kind that the tree does not know, but guesses none', () => {
    expect(named('host docker9', { force: true })).toBe('host docker9');
    expect(named('backend web/z', { force: true })).toBe('backend web/z');
    expect(() => named('docker9', { force: true })).toThrow('is no host');
  });

  test('undrain means what is drained of that name, there or not any more, and else anything', () => {
    const more = { 'drain/balancers/docker1': {}, 'drain/backends/web/gone1234': {} };
    expect(named('docker1', { verb: 'undrain', more })).toBe('balancer docker1');
    expect(named('web/gone', { verb: 'undrain', more })).toBe('backend web/gone1234');
    expect(named('docker1', { verb: 'undrain' })).toBe('host docker1');
    const again = {
      'services/web/backends/zz': { ipv4: '172.17.0.9', container: 'web1' },
      'drain/backends/web/zz': {},
    };
    expect(named('web/web1', { verb: 'undrain', more: again })).toBe('backend web/zz');
    expect(() => named('docker9', { verb: 'undrain' })).toThrow('is no host');
  });
});

function against(text: string, more = {}): readonly string[] {
  return obstaclesTo(target(text), tree(more));
}

describe('what speaks against it', () => {
  test('a service that would have nothing left, each named; one without a frontend has nobody to miss it', () => {
    expect(against('host docker1')).toEqual([
      'nothing else takes connections for db (tcp 10.0.0.1:5432): new ones would be refused',
    ]);
    expect(against('host docker2')).toEqual([]);
    expect(against('web/web1')).toEqual([]);
    expect(against('db/x')).toHaveLength(1);
  });

  test('what is drained already, or has no weight, is no help', () => {
    const web = 'nothing else takes connections for web (tcp 10.0.0.1:80): new ones would be refused';
    expect(against('host docker2', { 'drain/backends/web/4c1f6e0000000000': {} })).toEqual([web]);
    expect(against('web/web2', { 'drain/hosts/docker1': {} })).toEqual([web]);
    const starting = { [`services/web/backends/${ID}`]: { ipv4: '172.17.0.2', tcp: 80, weight: 0 } };
    expect(against('web/web2', starting)).toEqual([web]);
  });

  test('a service that has nothing as it is loses nothing', () => {
    expect(against('db/x', { 'drain/hosts/docker1': {} })).toEqual([]);
  });

  test('of balancers: the last one, one without addresses, one that edge balancers send to', () => {
    expect(against('lb1')).toEqual([]);
    const last = ['no other balancer is left: no virtual address could be reached any more'];
    expect(against('lb1', { 'drain/balancers/lb2': {} })).toEqual(last);
    expect(against('lb1', { 'balancers/lb2/status': { onlyHost: null, stopped: 'now' } })).toEqual(last);
    expect(against('lb1', { 'balancers/lb1/status': { vipInterface: null, onlyHost: null } })).toEqual([
      'it has no --vip-interface, and so no addresses to take away: nothing would change',
    ]);
    expect(against('balancer docker1')).toEqual([expect.stringContaining('clusterf drain host docker1')]);
  });
});

const SINCE = '2026-01-01T00:00:00.000Z';
const HOST = { kind: 'host', name: 'docker1' } as const;

function lb(name: string, ...drained: NonNullable<Balancer['drained']>): Balancer {
  return { name, vipInterface: 'vip', onlyHost: null, drained };
}

function host(destinations: number, shared: number, activeConnections?: number) {
  return { ...HOST, since: SINCE, destinations, shared, ...(activeConnections !== undefined && { activeConnections }) };
}

function progress(...balancers: Balancer[]) {
  return progressOf({ ...HOST, drain: { since: SINCE } }, balancers);
}

describe('how far it has come', () => {
  test('each balancer has to have heard of it, to have counted, and to count none', () => {
    expect(progress(lb('lb1', host(2, 0, 3)), lb('lb2'), lb('lb3', host(2, 0)))).toEqual({
      state: 'waiting',
      message: 'lb1: 3 active connections, lb2 has not heard of it yet, lb3 is still counting',
    });
    expect(progress(lb('lb1', host(2, 0, 0)), lb('lb2', host(0, 0, 0)))).toEqual({ state: 'done' });
    expect(progress(lb('lb1', host(0, 0, 0)))).toEqual({ state: 'done' });
  });

  test('what a balancer still tells of an earlier drain does not count', () => {
    expect(progress(lb('lb1', { ...host(2, 0, 0), since: '2025-12-31T00:00:00.000Z' }))).toMatchObject({
      state: 'waiting',
      message: 'lb1 has not heard of it yet',
    });
  });

  test('the balancer that can tell it from others is enough; where none can, nobody waits', () => {
    expect(progress(lb('edge', host(1, 1, 0)), lb('docker1', host(1, 0, 0)))).toEqual({ state: 'done' });
    expect(progress(lb('edge', host(1, 1, 0)))).toMatchObject({ state: 'unknown' });
  });

  test('a balancer is done when no address is bound', () => {
    const lb1 = { kind: 'balancer', name: 'lb1' } as const;
    const own = { ...lb1, drain: {} };
    expect(progressOf(own, [lb('lb1')])).toMatchObject({ state: 'waiting', message: 'lb1 has not heard of it yet' });
    expect(progressOf(own, [lb('lb1', { ...lb1, bound: 2 })])).toMatchObject({ state: 'waiting' });
    expect(progressOf(own, [lb('lb1', { ...lb1, bound: 0 }), lb('lb2')])).toEqual({ state: 'done' });
    expect(progressOf(own, [lb('lb2')])).toMatchObject({ state: 'unknown' });
  });

  test('balancers that say nothing of themselves are not taken for done', () => {
    expect(progress()).toMatchObject({ state: 'unknown' });
    const { drained: _, ...silent } = lb('lb1');
    expect(progress(silent, lb('lb2', host(1, 0, 0)))).toMatchObject({
      state: 'unknown',
      message: expect.stringContaining('balancer lb1'),
    });
  });
});

describe('the list', () => {
  const more = {
    'drain/hosts/docker1': { reason: 'kernel\nupdate', since: '2026-01-01T00:00:00.000Z' },
    'drain/backends/web/gone': {},
    'drain/balancers/lb1': {},
    'balancers/docker1/status': undefined,
    'balancers/lb1/status': { drained: [host(1, 0, 3)] },
    'balancers/lb2/status': { drained: [host(1, 0, 1)] },
  };

  test('says of each how many backends and connections there are, and nothing where nobody knows', () => {
    expect(listing(tree(more), 'table')).toBe(
      [
        'KIND      NAME      SINCE                     BACKENDS  CONNECTIONS  REASON',
        'host      docker1   2026-01-01T00:00:00.000Z  3         4            kernel\\u000aupdate',
        'backend   web/gone  -                         0         -            -',
        'balancer  lb1       -                         -         -            -',
        '',
      ].join('\n'),
    );
  });

  test('as data', () => {
    expect(JSON.parse(listing(tree(more), 'json'))).toEqual([
      {
        kind: 'host',
        name: 'docker1',
        reason: 'kernel\nupdate',
        since: '2026-01-01T00:00:00.000Z',
        backends: 3,
        activeConnections: 4,
      },
      { kind: 'backend', name: 'web/gone', backends: 0 },
      { kind: 'balancer', name: 'lb1' },
    ]);
  });
});
