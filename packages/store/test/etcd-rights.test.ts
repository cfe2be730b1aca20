import { describe, expect, test } from '@jest/globals';
import { type Access, mayAccess, type Rights } from '../src/etcd-rights.js';

const bytes = (text: string) => Buffer.from(text);

function rights(accesses: readonly Access[], from: string, to: string): Rights {
  return { user: 'u', roles: ['r'], grants: [{ accesses, from: bytes(from), to: bytes(to) }] };
}

describe('a grant of', () => {
  test('one key is of that key alone', () => {
    const ours = rights(['write'], '/a/b', '');
    expect(mayAccess(ours, 'write', bytes('/a/b'))).toBe(true);
    expect(mayAccess(ours, 'read', bytes('/a/b'))).toBe(false);
    for (const key of ['/a', '/a/', '/a/b/', '/a/bc', '/a/c']) expect(mayAccess(ours, 'write', bytes(key))).toBe(false);
    expect(mayAccess(ours, 'write', bytes('/a/b'), bytes('/a/c'))).toBe(false);
  });

  test('a range has its beginning, not its end', () => {
    const ours = rights(['read', 'write'], '/a/', '/a0');
    for (const access of ['read', 'write'] as const) {
      expect(mayAccess(ours, access, bytes('/a/'))).toBe(true);
      expect(mayAccess(ours, access, bytes('/a/z\u{10ffff}'))).toBe(true);
      expect(mayAccess(ours, access, bytes('/a0'))).toBe(false);
      expect(mayAccess(ours, access, bytes('/a'))).toBe(false);
      expect(mayAccess(ours, access, bytes('/a/'), bytes('/a0'))).toBe(true);
      expect(mayAccess(ours, access, bytes('/a/'), bytes('/a1'))).toBe(false);
    }
  });

  test('everything from a key on has no end', () => {
    const ours = rights(['read'], '/a', '\0');
    expect(mayAccess(ours, 'read', bytes('/zzz'), bytes('\u{10ffff}'))).toBe(true);
    expect(mayAccess(ours, 'read', bytes('/'))).toBe(false);
  });

  test('the role root is of everything', () => {
    expect(mayAccess({ user: 'u', roles: ['root'], grants: [] }, 'write', bytes('/a'))).toBe(true);
  });
});
