import { describe, expect, test } from '@jest/globals';
import { type Family, parseAddress, parsePrefix, prefixContains } from '@clusterf/model';
import * as fc from 'fast-check';

/** The value, or the message as an error. */
function got<T>(result: { ok: true; value: T } | { ok: false; message: string }): T {
  if (!result.ok) {
    throw new Error(result.message);
  }
  return result.value;
}

describe('an address', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1', 'ipv4'],
    ['0.0.0.0', '0.0.0.0', 'ipv4'],
    ['255.255.255.255', '255.255.255.255', 'ipv4'],
    ['2001:DB8:0:0::1', '2001:db8::1', 'ipv6'],
    ['2001:db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1', 'ipv6'],
    ['::', '::', 'ipv6'],
    ['::ffff:10.0.0.1', '::ffff:a00:1', 'ipv6'],
    ['::1.2.3.4', '::102:304', 'ipv6'],
  ])('%s is %s', (text, canonical, family) => {
    expect(got(parseAddress(text))).toMatchObject({ text: canonical, family });
  });

  test.each<[string, Family | undefined, string]>([
    ['010.0.0.1', undefined, 'leading zeros are ambiguous'],
    ['10.1', undefined, 'all four numbers are needed'],
    ['167772161', undefined, 'all four numbers are needed'],
    ['[2001:db8::1]', 'ipv6', 'without brackets'],
    ['fe80::1%eth0', 'ipv6', 'has a zone'],
    ['10.0.0.0/8', 'ipv4', 'it is a prefix'],
    ['', 'ipv4', '"" is not an IPv4 address such as 10.0.0.1'],
    [' 10.0.0.1', undefined, 'is not an IPv4 or IPv6 address'],
    ['2001:db8::1', 'ipv4', 'is an IPv6 address; expected an IPv4 address'],
    ['10.0.0.1', 'ipv6', 'is an IPv4 address; expected an IPv6 address'],
    ['web.example', undefined, '"web.example" is not an IPv4 or IPv6 address'],
  ])('%j is refused as %s: %s', (text, family, message) => {
    expect(parseAddress(text, family)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });

  test('its canonical text reads as the same address again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = got(parseAddress(text));
        expect(parseAddress(address.text)).toEqual({ ok: true, value: address });
      }),
    );
  });

  test('no text makes the reader throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f.:%/[\]]{0,40}$/)), (text) => {
        expect(typeof parseAddress(text).ok).toBe('boolean');
        expect(typeof parsePrefix(text).ok).toBe('boolean');
      }),
    );
  });
});

describe('a prefix', () => {
  test.each([
    ['10.1.0.0/16', '10.1.0.0/16', 16],
    ['10.1.2.3/16', '10.1.0.0/16', 16],
    ['10.1.2.3/0', '0.0.0.0/0', 0],
    ['10.1.2.3/32', '10.1.2.3/32', 32],
    ['2001:DB8::1/64', '2001:db8::/64', 64],
    ['::1/128', '::1/128', 128],
  ])('%s is %s', (text, canonical, length) => {
    expect(got(parsePrefix(text))).toMatchObject({ text: canonical, length });
  });

  test.each([
    ['10.0.0.1', 'for this address alone write 10.0.0.1/32'],
    ['::1', 'for this address alone write ::1/128'],
    ['10.0.0.0/33', 'the length is 33; expected 0 to 32'],
    ['::/129', 'the length is 129; expected 0 to 128'],
    ['10.0.0.0/08', 'is not a prefix'],
    ['10.0.0.0/255.0.0.0', 'is not a prefix'],
    ['10.0.0/8', 'all four numbers are needed'],
    ['/8', 'is not a prefix'],
  ])('%s is refused: %s', (text, message) => {
    expect(parsePrefix(text)).toEqual({ ok: false, message: expect.stringContaining(message) });
  });

  test.each([
    ['10.1.0.0/16', '10.1.255.255', true],
    ['10.1.0.0/16', '10.2.0.0', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '10.0.0.1', false],
    ['2001:db8::/33', '2001:db8:7fff::', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['10.0.0.1/32', '10.0.0.1', true],
  ])('%s contains %s: %s', (prefix, address, contained) => {
    expect(prefixContains(got(parsePrefix(prefix)), got(parseAddress(address)))).toBe(contained);
  });

  test('every prefix of an address contains it, and is canonical', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (text, length) => {
        const prefix = got(parsePrefix(`${text}/${length}`));
        expect(prefixContains(prefix, got(parseAddress(text)))).toBe(true);
        expect(got(parsePrefix(prefix.text))).toEqual(prefix);
      }),
    );
  });
});
