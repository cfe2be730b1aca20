import { describe, expect, test } from '@jest/globals';
import { ConfigurationError, type EtcdOptions, openSource, parseSourceUrl, type SourceLocation } from '@clusterf/store';
import * as fc from 'fast-check';

const options: EtcdOptions = { scheme: 'https', hosts: ['h8', 'h9:99'], prefix: 'other/' };

/** Undefined for a configuration error; anything else is thrown on. */
function attempt(text: string): SourceLocation | undefined {
  try {
    return parseSourceUrl(text);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      return undefined;
    }
    throw error;
  }
}

describe('a configuration source', () => {
  test.each<[string, EtcdOptions, string]>([
    ['etcd://h1:1,h2:2/prefix', {}, 'etcd+http://h1:1,h2:2/prefix'],
    ['etcd://h1', {}, 'etcd+http://h1:2379/clusterf'],
    ['etcd://h1', options, 'etcd+https://h1:2379/other'],
    ['etcd+http://h1/', options, 'etcd+http://h1:2379/'],
    ['etcd+https://h1/a/b/', {}, 'etcd+https://h1:2379/a/b'],
    ['etcd:///clusterf', {}, 'etcd+http://127.0.0.1:2379/clusterf'],
    ['etcd:///', {}, 'etcd+http://127.0.0.1:2379/'],
    ['etcd:', {}, 'etcd+http://127.0.0.1:2379/clusterf'],
    ['etcd:', options, 'etcd+https://h8:2379,h9:99/other'],
    ['etcd:///x', options, 'etcd+https://h8:2379,h9:99/x'],
    ['etcd://', { hosts: ['http://h1:2379/'] }, 'etcd+http://h1:2379/clusterf'],
    ['etcd://[2001:DB8::1],[::1]:1/x', {}, 'etcd+http://[2001:db8::1]:2379,[::1]:1/x'],
    ['file:///etc/clusterf/', {}, 'file:///etc/clusterf'],
    ['file:///', {}, 'file:///'],
    ['file://conf/tree', {}, 'file://conf/tree'],
    ['memory:', {}, 'memory:'],
  ])('%s with %j is %s', (text, given, url) => {
    expect(parseSourceUrl(text, given).url).toBe(url);
  });

  test('its canonical URL reads as itself, whatever the options', () => {
    for (const text of ['etcd://h1,h2:3/x', 'etcd:', 'etcd+https://[::1]', 'file:///etc/x', 'file://x']) {
      const location = parseSourceUrl(text);
      expect(parseSourceUrl(location.url, options)).toEqual(location);
    }
  });

  test.each([
    ['', 'is not a URL; expected etcd://HOST'],
    ['/etc/clusterf', 'is not a URL'],
    ['http://h1:2379', 'the scheme is http; expected etcd://HOST'],
    ['etcd+ftp://h1', 'the scheme is etcd+ftp'],
    ['file://', 'names no directory'],
    ['etcd://h1:0/x', 'the etcd host is "h1:0"; expected HOST or HOST:PORT'],
    ['etcd://h1:65536/x', 'the etcd host is "h1:65536"'],
    ['etcd://h1:http/x', 'the etcd host is "h1:http"'],
    ['etcd://h1,,h2/x', 'the etcd host is ""'],
    ['etcd://::1/x', 'the etcd host is "::1"; expected HOST or HOST:PORT, an IPv6 address in brackets'],
    ['etcd://[h1]/x', 'the etcd host is "[h1]"'],
    ['etcd://h1/x?y=1', '"etcd://h1/x?y=1" has a query; expected a prefix at its end'],
    ['etcd://a b/x', 'the etcd host is "a b"'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => parseSourceUrl(text)).toThrow(ConfigurationError);
    expect(() => parseSourceUrl(text)).toThrow(message);
  });

  test.each(['etcd://user:s3cret@h1/x', 'etcd+https://h0,user:s3c@ret@h1/x'])(
    '%s is refused, its secret kept',
    (text) => {
      const shown = JSON.stringify(text.replace(/(?<=:\/\/).*@/, '…@'));
      const message = `configuration source ${shown} names a user; expected --etcd-user and --etcd-password-file`;
      expect(() => parseSourceUrl(text)).toThrow(new ConfigurationError(message));
    },
  );

  test.each<[string, EtcdOptions, string]>([
    [
      'etcd://h1/x',
      { ca: '/etc/ca.pem' },
      'configuration source "etcd://h1/x" is asked in plain HTTP, where --etcd-ca /etc/ca.pem would not be used; ' +
        'expected etcd+https://… or --etcd-scheme https',
    ],
    ['etcd+http://h1/x', { scheme: 'https', cert: 'c', key: 'k' }, 'where --etcd-cert c would not be used'],
    ['etcd+https://h1/x', { cert: 'c' }, '--etcd-cert c is given without --etcd-key; expected both or neither'],
    ['etcd+https://h1/x', { key: 'k' }, '--etcd-key k is given without --etcd-cert'],
    ['etcd://h1/x', { user: 'u' }, '--etcd-user u is given without --etcd-password-file'],
    ['etcd://h1/x', { passwordFile: 'p' }, '--etcd-password-file p is given without --etcd-user'],
  ])('%s with %j is refused: the operator meant something else', (text, given, message) => {
    expect(() => parseSourceUrl(text, given)).toThrow(ConfigurationError);
    expect(() => parseSourceUrl(text, given)).toThrow(message);
  });

  test('credentials for etcd are no matter to a directory', () => {
    expect(parseSourceUrl('file:///etc/x', { ca: 'c', user: 'u' }).url).toBe('file:///etc/x');
  });

  test('a tree in memory cannot be opened by its URL', () => {
    expect(() => openSource('memory:')).toThrow('exists only inside one process');
    expect(openSource('file:///etc/clusterf').url).toBe('file:///etc/clusterf');
  });

  test('any text is a location or a configuration error', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom('etcd:', 'etcd://', 'file://', 'memory:'), fc.string()).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const location = attempt(text);
        expect(location === undefined || attempt(location.url)?.url === location.url).toBe(true);
      }),
    );
  });
});
