import { expect, test } from '@jest/globals';
import { isAtOrBelow, parsePath } from '../../src/tree/path.js';

const ETCD = 'etcd+http://127.0.0.1:2379/clusterf';

test.each([
  ['services/web', 'services/web'],
  ['/services/web/', 'services/web'],
  ['/clusterf/services/web', 'services/web'],
  ['/clusterf', ''],
  ['/', ''],
  ['', ''],
  ['services/a b/🦊', 'services/a b/🦊'],
  ['clusterf/services', 'clusterf/services'],
])('%s is the path %s', (written, path) => {
  expect(parsePath(written, ETCD)).toBe(path);
});

test('a tree at the root of etcd, or in a directory, has no prefix to take away', () => {
  expect(parsePath('/clusterf/services', 'etcd+http://127.0.0.1:2379/')).toBe('clusterf/services');
  expect(parsePath('/clusterf/services', 'file:///clusterf')).toBe('clusterf/services');
});

test.each(['services/../web', '..', './services', 'services//web', '///', 'a\nb', `routes/${'x'.repeat(256)}`])(
  '%j is no path',
  (written) => {
    expect(() => parsePath(written, ETCD)).toThrow(/^path .*: the name /);
  },
);

test('below a path is what has it for its first parts', () => {
  expect(
    ['services/web', 'services/web/frontend', 'services/web2', 'services'].filter((path) =>
      isAtOrBelow(path, 'services/web'),
    ),
  ).toEqual(['services/web', 'services/web/frontend']);
  expect(isAtOrBelow('sync', '')).toBe(true);
});
