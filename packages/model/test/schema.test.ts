import { describe, expect, test } from '@jest/globals';
import {
  type Backend,
  decodeBackend,
  decodeDrain,
  decodeFrontend,
  decodeRoute,
  decodeSync,
  encodeBackend,
  encodeDrain,
  encodeFrontend,
  encodeRoute,
  encodeSync,
  type Route,
} from '@clusterf/model';
import * as fc from 'fast-check';

function value(decode: (json: string) => ReturnType<typeof decodeBackend>, json: unknown): Backend {
  const decoded = decode(typeof json === 'string' ? json : JSON.stringify(json));
  if (!decoded.ok) {
    throw new Error(decoded.messages.join('; '));
  }
  return decoded.value;
}

describe('what the Go program took is taken still', () => {
  test.each([
    ['an empty value: all defaults', '', { weight: 10 }],
    ['white space alone', ' \n', { weight: 10 }],
    ['null', 'null', { weight: 10 }],
    ['null fields are absent', '{"weight":null,"ipv4":null,"tcp":null}', { weight: 10 }],
    ['field names in any case', '{"IPv4":"10.0.0.1","TCP":80,"WEIGHT":3}', { ipv4: '10.0.0.1', tcp: 80, weight: 3 }],
    ['the last of two spellings wins', '{"tcp":1,"TCP":2}', { tcp: 2, weight: 10 }],
    ['an empty address is none', '{"ipv4":"","tcp":80}', { tcp: 80, weight: 10 }],
    ['an IPv4 address in IPv6 dress', '{"ipv4":"::ffff:10.0.0.1"}', { ipv4: '10.0.0.1', weight: 10 }],
    ['weight 0', '{"weight":0}', { weight: 0 }],
    ['a weight above what ipvsadm takes', '{"weight":70000}', { weight: 70_000 }],
    ['unknown fields', '{"tcp":80,"colour":"blue"}', { tcp: 80, weight: 10 }],
  ])('%s', (_, json, backend) => {
    expect(value(decodeBackend, json)).toEqual(backend);
  });

  test('port 0 is none, and a person is told', () => {
    expect(decodeBackend('{"tcp":0,"udp":53}')).toMatchObject({
      ok: true,
      value: { udp: 53, weight: 10 },
      warnings: ['tcp is 0; expected a port, a whole number from 1 to 65535: taken as none'],
    });
  });

  test('a route without a method, or with an empty one, excludes', () => {
    expect(decodeRoute('{"Prefix":"10.1.2.3/16","Gateway":"","IPVSMethod":""}')).toMatchObject({
      value: { prefix: '10.1.0.0/16', priority: 0 },
    });
  });

  test('a route with everything', () => {
    const json =
      '{"Prefix":"2001:DB8::/32","Gateway":"10.0.0.254","ipvsmethod":"tunnel","Priority":5,"tunnel":{"TYPE":"gue","Port":5555,"checksum":true}}';
    expect(decodeRoute(json)).toMatchObject({
      value: {
        prefix: '2001:db8::/32',
        gateway: '10.0.0.254',
        ipvsMethod: 'tunnel',
        priority: 5,
        tunnel: { type: 'gue', port: 5555, checksum: true },
      },
    });
  });

  test.each([
    [
      '{"IPVSMethod":"droute","Tunnel":{"type":"gre"}}',
      ['tunnel is set where IPVSMethod is droute; expected tunnel: ignored'],
    ],
    ['{"Tunnel":{"type":"gre"}}', ['tunnel is set where IPVSMethod is not set; expected tunnel: ignored']],
    [
      '{"IPVSMethod":"tunnel","Tunnel":{"type":"ipip","port":5555,"checksum":true}}',
      [
        'tunnel.port is 5555; expected none with ipip: ignored',
        'tunnel.checksum is true; expected none with ipip: ignored',
      ],
    ],
    [
      '{"IPVSMethod":"tunnel","Tunnel":{"type":"gre","port":1,"checksum":true}}',
      ['tunnel.port is 1; expected none with gre: ignored'],
    ],
    ['{"IPVSMethod":"tunnel","Tunnel":{"type":"gue","port":5555,"checksum":true}}', []],
    ['{"IPVSMethod":"tunnel","Tunnel":{"type":"ipip","checksum":false}}', []],
  ])('what a route says of a tunnel in vain is a warning: %s', (json, warnings) => {
    expect(decodeRoute(json)).toMatchObject({ ok: true, warnings });
  });

  test('the scheduler flags as ipvsadm writes them are a list', () => {
    expect(decodeFrontend('{"schedulerFlags":"sh-port, sh-fallback"}')).toMatchObject({
      value: { schedulerFlags: ['sh-port', 'sh-fallback'] },
    });
  });
});

describe('a bad value names field, value and what was expected', () => {
  test.each([
    ['{', 'the value is "{"; expected a JSON object'],
    ['[1]', 'the value is "[1]"; expected a JSON object'],
    ['"x"', 'expected a JSON object'],
    ['7', 'expected a JSON object'],
    ['{"tcp":65536}', 'tcp is 65536; expected a port, a whole number from 1 to 65535'],
    ['{"tcp":"80"}', 'tcp is "80"; expected a port'],
    ['{"tcp":80.5}', 'tcp is 80.5; expected a port'],
    ['{"udp":-1}', 'udp is -1; expected a port'],
    ['{"sctp":true}', 'sctp is true; expected a port'],
    ['{"weight":-1}', 'weight is -1; expected a weight, a whole number from 0 to 2147483647'],
    ['{"weight":2147483648}', 'weight is 2147483648; expected a weight'],
    ['{"weight":"10"}', 'weight is "10"; expected a weight'],
    ['{"ipv4":"10.0.0"}', 'ipv4 "10.0.0" is not an IPv4 address such as 10.0.0.1 (all four numbers are needed)'],
    ['{"ipv4":["10.0.0.1"]}', 'ipv4 is a list; expected a text'],
    ['{"ipv6":"10.0.0.1"}', 'ipv6 "10.0.0.1" is an IPv4 address; expected an IPv6 address'],
    ['{"lowerThreshold":5,"upperThreshold":4}', 'lowerThreshold is above upperThreshold'],
    ['{"lowerThreshold":5}', 'lowerThreshold is above upperThreshold'],
    ['{"host":7}', 'host is 7; expected a text'],
  ])('backend %s: %s', (json, message) => {
    expect(decodeBackend(json)).toEqual({ ok: false, messages: [expect.stringContaining(message)] });
  });

  test.each([
    ['{"scheduler":"a b"}', 'scheduler is "a b"; expected a scheduler such as wlc'],
    ['{"schedulerFlags":["fast"]}', 'schedulerFlags.0 is "fast"; expected one of flag-1'],
    ['{"persistence":{}}', 'persistence.timeout is missing; expected seconds'],
    ['{"persistence":300}', 'persistence is 300; expected an object'],
    ['{"persistence":{"timeout":1,"netmask":129}}', 'persistence.netmask is 129; expected'],
    ['{"method":"nat"}', 'method is "nat"; expected one of masq, droute, tunnel'],
    ['{"fwmark":0}', 'fwmark is 0; expected a firewall mark'],
    ['{"onePacket":1}', 'onePacket is 1; expected true or false'],
  ])('frontend %s: %s', (json, message) => {
    expect(decodeFrontend(json)).toEqual({ ok: false, messages: [expect.stringContaining(message)] });
  });

  test.each([
    ['{"Prefix":"10.0.0.1"}', 'prefix "10.0.0.1" is not a prefix'],
    ['{"Gateway":"gw"}', 'gateway "gw" is not an IPv4 or IPv6 address'],
    ['{"IPVSMethod":"Masq"}', 'ipvsMethod is "Masq"; expected one of masq, droute, tunnel'],
    ['{"Priority":1.5}', 'priority is 1.5; expected a priority'],
    ['{"Tunnel":{"type":"gue"}}', 'tunnel.port is missing; expected the UDP port'],
    ['{"Tunnel":{}}', 'tunnel.type is missing; expected one of ipip, gue, gre'],
  ])('route %s: %s', (json, message) => {
    expect(decodeRoute(json)).toEqual({ ok: false, messages: [expect.stringContaining(message)] });
  });

  test.each([
    ['{}', 'interface is missing; expected a network interface'],
    ['{"interface":"eth0/1"}', 'interface is "eth0/1"; expected a network interface'],
    ['{"interface":"eth0","syncId":256}', 'syncId is 256; expected a sync id'],
    ['{"interface":"eth0","role":"slave"}', 'role is "slave"; expected one of both, master, backup'],
  ])('sync %s: %s', (json, message) => {
    expect(decodeSync(json)).toEqual({ ok: false, messages: [expect.stringContaining(message)] });
  });

  test('every bad field is named, not only the first', () => {
    expect(decodeBackend('{"tcp":-1,"weight":"x"}')).toMatchObject({ messages: { length: 2 } });
  });
});

test('sync settings have defaults for id and role', () => {
  expect(decodeSync('{"interface":"eth0"}')).toMatchObject({ value: { interface: 'eth0', syncId: 0, role: 'both' } });
});

describe('encoding', () => {
  test('a backend written with its fields in another order is the same bytes', () => {
    const a: Backend = { ipv4: '10.0.0.1', tcp: 80, weight: 10, host: 'h1' };
    const b: Backend = { host: 'h1', weight: 10, tcp: 80, ipv4: '10.0.0.1' };
    expect(encodeBackend(a)).toBe('{"ipv4":"10.0.0.1","tcp":80,"weight":10,"host":"h1"}');
    expect(encodeBackend(b)).toBe(encodeBackend(a));
  });

  test("a route has the Go program's field names", () => {
    const route: Route = { prefix: '10.1.0.0/16', gateway: '10.0.0.2', ipvsMethod: 'droute', priority: 0 };
    expect(encodeRoute(route)).toBe('{"Prefix":"10.1.0.0/16","Gateway":"10.0.0.2","IPVSMethod":"droute"}');
  });

  test('fields nobody here knows survive a change of the others', () => {
    const decoded = decodeBackend('{"zone":"b","tcp":80,"colour":{"r":1},"__proto__":{"x":1}}');
    expect(decoded.ok && encodeBackend({ ...decoded.value, weight: 0 }, decoded.unknown)).toBe(
      '{"tcp":80,"weight":0,"__proto__":{"x":1},"colour":{"r":1},"zone":"b"}',
    );
  });

  test('every backend and frontend reads as what was written', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const endpoint = { ipv4: fc.ipV4(), tcp: port, udp: port, sctp: port };
    const persistence = fc.record(
      { timeout: fc.integer({ min: 1, max: 9999 }), netmask: fc.integer({ min: 1, max: 128 }) },
      { requiredKeys: ['timeout'] },
    );
    const backends = fc.record(
      { ...endpoint, weight: fc.nat(), host: fc.string({ minLength: 1 }) },
      { requiredKeys: ['weight'] },
    );
    const frontends = fc.record(
      {
        ...endpoint,
        scheduler: fc.constantFrom('rr', 'wlc', 'mh'),
        schedulerFlags: fc.array(fc.constantFrom('mh-port', 'flag-1')),
        persistence,
        onePacket: fc.boolean(),
        method: fc.constantFrom('masq', 'droute', 'tunnel'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(backends, frontends, (backend, frontend) => {
        expect(decodeBackend(encodeBackend(backend))).toMatchObject({ ok: true, value: backend });
        expect(decodeFrontend(encodeFrontend(frontend))).toMatchObject({ ok: true, value: frontend });
      }),
    );
  });

  test('sync settings read as what was written', () => {
    const sync = {
      interface: 'eth0',
      syncId: 7,
      group: '224.0.0.82',
      port: 8849,
      ttl: 2,
      maxlen: 1400,
      role: 'master',
    } as const;
    expect(decodeSync(encodeSync(sync))).toMatchObject({ ok: true, value: sync });
  });
});

describe('a drain', () => {
  test.each(['', '{}', 'null', '{"until":"tomorrow"}'])('needs no words: %j', (json) => {
    expect(decodeDrain(json)).toMatchObject({ ok: true, value: {}, warnings: [] });
  });

  test('says why and since when, and keeps what else somebody wrote', () => {
    const decoded = decodeDrain('{"Reason":"kernel update","since":"2026-01-01T00:00:00Z","ticket":7}');
    expect(decoded.ok && encodeDrain(decoded.value, decoded.unknown)).toBe(
      '{"reason":"kernel update","since":"2026-01-01T00:00:00Z","ticket":7}',
    );
  });

  test.each([
    ['reboot', 'the value is "reboot"; expected a JSON object'],
    ['{"reason":7}', 'reason is 7; expected a text'],
  ])('that cannot be read says so: %s', (json, message) => {
    expect(decodeDrain(json)).toEqual({ ok: false, messages: [message] });
  });
});

test('no text makes a decoder throw, and what it refuses has a reason', () => {
  const names = ['ipv4', 'TCP', 'weight', 'Persistence', 'tunnel', 'schedulerFlags', 'interface', '__proto__', 'x'];
  const objects = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        objects.map((object) => JSON.stringify(object)),
      ),
      (json) => {
        for (const decode of [decodeBackend, decodeDrain, decodeFrontend, decodeRoute, decodeSync]) {
          const decoded = decode(json);
          expect(decoded.ok || decoded.messages.length > 0).toBe(true);
        }
      },
    ),
    { numRuns: 500 },
  );
});
