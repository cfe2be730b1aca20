import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalAddress } from '../src/index.js';

describe('canonicalAddress', () => {
  test.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one group alone is not compressed
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // the longest run
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // of equals the first
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::1', '::1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('writes %s as %s', (given, canonical) => {
    expect(canonicalAddress('ipv6', given)).toBe(canonical);
  });

  test.each([
    ['ipv4', '10.0.0'],
    ['ipv4', '010.0.0.1'],
    ['ipv4', '0x0a.0.0.1'],
    ['ipv4', '10.0.0.256'],
    ['ipv4', '::1'],
    ['ipv4', ' 10.0.0.1'],
    ['ipv6', '10.0.0.1'],
    ['ipv6', 'fe80::1%eth0'],
    ['ipv6', '1::2::3'],
    ['ipv6', ''],
  ] as const)('knows that, as %s, "%s" is no address', (family, text) => {
    expect(canonicalAddress(family, text)).toBeUndefined();
  });

  test('agrees with the URL standard on every IPv6 address, which has the same canonical form', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(`[${canonicalAddress('ipv6', text)}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });

  test('gives back what it gave', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const family = isIPv4(text) ? 'ipv4' : 'ipv6';
        const once = canonicalAddress(family, text) ?? '';
        expect(family === 'ipv4' ? isIPv4(once) : isIPv6(once)).toBe(true);
        expect(canonicalAddress(family, once)).toBe(once);
      }),
    );
  });
});
