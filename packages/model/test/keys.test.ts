import { describe, expect, test } from '@jest/globals';
import {
  backendDrainKey,
  backendKey,
  balancerDrainKey,
  balancerStatusKey,
  checkName,
  frontendKey,
  hostDrainKey,
  hostStatusKey,
  parseKey,
  routeKey,
  syncKey,
} from '@clusterf/model';
import * as fc from 'fast-check';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => checkName(text).ok);

test('every key that can be built is read as what it was built from', () => {
  fc.assert(
    fc.property(name, name, (a, b) => {
      expect(parseKey(frontendKey(a))).toEqual({ kind: 'frontend', service: a });
      expect(parseKey(backendKey(a, b))).toEqual({ kind: 'backend', service: a, backend: b });
      expect(parseKey(routeKey(a))).toEqual({ kind: 'route', route: a });
      expect(parseKey(syncKey())).toEqual({ kind: 'sync' });
      expect(parseKey(syncKey(a))).toEqual({ kind: 'balancerSync', balancer: a });
      expect(parseKey(balancerStatusKey(a))).toEqual({ kind: 'balancerStatus', balancer: a });
      expect(parseKey(hostStatusKey(a))).toEqual({ kind: 'hostStatus', host: a });
      expect(parseKey(hostDrainKey(a))).toEqual({ kind: 'hostDrain', host: a });
      expect(parseKey(backendDrainKey(a, b))).toEqual({ kind: 'backendDrain', service: a, backend: b });
      expect(parseKey(balancerDrainKey(a))).toEqual({ kind: 'balancerDrain', balancer: a });
    }),
  );
});

test('no path makes the reader throw', () => {
  const part = fc.constantFrom(
    'services',
    'routes',
    'balancers',
    'hosts',
    'drain',
    'sync',
    'frontend',
    'backends',
    '',
    'x',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join('/')),
      ),
      (path) => {
        expect(parseKey(path)).toHaveProperty('kind');
      },
    ),
  );
});

describe('a key that is probably a mistake says what was expected', () => {
  test.each([
    ['services/web/frontned', 'expected services/<service>/frontend or services/<service>/backends/<backend>'],
    ['services/web/backends', 'expected services/<service>/frontend or'],
    ['services/web/backends/a/b', 'expected services/<service>/frontend or'],
    ['services//frontend', 'the name is empty'],
    ['routes/a/b', 'expected routes/<route>'],
    ['routes', 'expected routes/<route>'],
    ['services/../frontend', 'would mean a directory'],
    ['services/a\u0007b/frontend', 'control character'],
    ['sync/eth0', 'expected sync'],
    ['drain/docker1', 'expected drain/hosts/<host>, drain/backends/<service>/<backend> or drain/balancers/<balancer>'],
    ['drain/host/docker1', 'expected drain/hosts/<host>'],
    ['drain/backends/web', 'expected drain/hosts/<host>'],
    ['drain/balancers/lb1/x', 'expected drain/hosts/<host>'],
  ])('%s', (path, problem) => {
    expect(parseKey(path)).toEqual({ kind: 'unknown', problem: expect.stringContaining(problem) });
  });
});

describe("other people's keys and directory markers are passed over in silence", () => {
  test.each([
    '',
    'services/',
    'services/web/backends/',
    'notes',
    'balancers/b1/notes',
    'hosts/h1',
    'drain/hosts/',
    'v2/services/x',
  ])('%j', (path) => {
    expect(parseKey(path)).toEqual({ kind: 'unknown' });
  });
});

describe('a name', () => {
  test.each(['web', 'a b', 'Ünïcode', '.hidden', 'a:b', '1234', 'x'.repeat(255)])('%j will do', (text) => {
    expect(checkName(text)).toEqual({ ok: true, value: text });
  });

  test.each([
    ['', 'the name is empty'],
    ['a/b', 'contains "/"'],
    ['..', 'would mean a directory'],
    ['a\nb', 'control character'],
    ['ü'.repeat(128), '256 bytes long; at most 255'],
  ])('%j will not: %s', (text, message) => {
    expect(checkName(text)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });

  test('a name that cannot be one is a bug in whoever builds a key of it', () => {
    expect(() => frontendKey('a/b')).toThrow(RangeError);
    expect(() => backendKey('web', '')).toThrow('the name is empty');
  });
});
