import { expect, test } from '@jest/globals';
import { drained } from '../src/ending.js';

test('draining takes the weight of every backend, and leaves all else as it is', () => {
  const backend = '{"ipv4":"172.17.0.2","tcp":80,"weight":7,"host":"host1","container":"web-1"}';
  const entries = {
    'services/web/backends/a': backend,
    'services/web/backends/b': 'not JSON',
    'services/web/frontend': '{"ipv4":"192.0.2.1","tcp":80}',
    'routes/host1-bridge-ipv4': '{"Prefix":"172.17.0.0/16"}',
  };
  expect(Object.fromEntries(drained(new Map(Object.entries(entries))))).toEqual({
    ...entries,
    'services/web/backends/a': backend.replace('"weight":7', '"weight":0'),
  });
});
