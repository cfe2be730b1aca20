import { describe, expect, test } from '@jest/globals';
import { isMisdirected } from '../src/http-host.js';

describe('on loopback', () => {
  test.each([
    '127.0.0.1:9780',
    '127.0.0.1',
    'localhost:9780',
    'LOCALHOST',
    'localhost.',
    '[::1]:9780',
    '192.0.2.1:1',
    undefined,
  ])('a request for %s is answered', (host) => {
    expect(isMisdirected({ host: '127.0.0.1', port: 9780 }, host)).toBe(false);
    expect(isMisdirected({ host: '::1', port: 9780 }, host)).toBe(false);
  });

  test.each(['evil.example:9780', 'localhost.evil.example', '127.0.0.1.evil.example:9780', '', 'a:b:c'])(
    'a request for %j is not: it is for somebody else',
    (host) => {
      expect(isMisdirected({ host: '127.0.0.1', port: 9780 }, host)).toBe(true);
      expect(isMisdirected({ host: 'localhost', port: 9780 }, host)).toBe(true);
    },
  );
});

test.each([{ port: 9780 }, { host: '192.0.2.1', port: 9780 }, { host: 'lb1', port: 9780 }])(
  'where others reach it (%j), its names are the operator’s business',
  (listen) => {
    expect(isMisdirected(listen, 'lb1.example:9780')).toBe(false);
  },
);
