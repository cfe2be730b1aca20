import { describe, expect, test } from '@jest/globals';
import { formatHttpListen, httpListenOption, parseHttpListen } from '../src/http-listen.js';
import { defineCommand, parseOptions } from '../src/index.js';

describe('where to listen', () => {
  test.each([
    ['127.0.0.1:9780', { host: '127.0.0.1', port: 9780 }],
    ['[::1]:9780', { host: '::1', port: 9780 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['lb-1.example.com:65535', { host: 'lb-1.example.com', port: 65_535 }],
    [':9780', { port: 9780 }],
  ])('%s is a place, and is written the way it is read', (text, place) => {
    expect(parseHttpListen(text)).toEqual(place);
    expect(formatHttpListen(place)).toBe(text);
  });

  test('none is nowhere', () => {
    expect(parseHttpListen('none')).toBe('none');
  });

  test.each([
    ['nothing', ''],
    ['a port alone', '9780'],
    ['an address alone', '127.0.0.1'],
    ['no port after the colon', '127.0.0.1:'],
    ['a port too high', '127.0.0.1:65536'],
    ['a negative port', '127.0.0.1:-1'],
    ['a port by name', '127.0.0.1:http'],
    ['IPv6 without brackets', '::1:9780'],
    ['brackets around IPv4', '[127.0.0.1]:9780'],
    ['empty brackets', '[]:9780'],
    ['an address with a leading zero', '010.0.0.1:9780'],
    ['an address with a number too high', '256.0.0.1:9780'],
    ['white space', ' 127.0.0.1:9780'],
    ['a URL', 'http://127.0.0.1:9780'],
    ['a wildcard', '*:9780'],
  ])('%s is refused', (_, text) => {
    expect(parseHttpListen(text)).toBeUndefined();
  });
});

describe('--http-listen', () => {
  const command = defineCommand({
    command: 'c',
    summary: 's',
    version: '1',
    options: { 'http-listen': httpListenOption(9780) },
  });

  test('is the loopback address unless told otherwise', async () => {
    expect(await parseOptions(command, [], {})).toMatchObject({ options: { httpListen: '127.0.0.1:9780' } });
    expect(await parseOptions(command, ['--http-listen', 'none'], {})).toMatchObject({
      options: { httpListen: 'none' },
    });
  });

  test('names what was expected', async () => {
    await expect(parseOptions(command, ['--http-listen', '9780'], {})).rejects.toThrow(
      '--http-listen: "9780" (on the command line) is not HOST:PORT, [IPV6]:PORT, :PORT (every address) or none',
    );
  });
});
