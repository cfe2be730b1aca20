import { expect, test } from '@jest/globals';
import { isField, withFields } from '../../src/tree/fields.js';

test.each([
  ['of a new entry', undefined, ['ipv4=10.0.0.1', 'tcp=80'], { ipv4: '10.0.0.1', tcp: 80 }],
  ['beside those that are there', '{"tcp":80,"later":[1]}', ['udp=53'], { tcp: 80, later: [1], udp: 53 }],
  [
    'in the place of what was there, in any case',
    '{"Prefix":"10.0.0.0/8"}',
    ['prefix=10.1.0.0/16'],
    { Prefix: '10.1.0.0/16' },
  ],
  ['to nothing', '{"tcp":80,"udp":53}', ['udp='], { tcp: 80 }],
  [
    'inside of another',
    '{"persistence":{"timeout":1,"netmask":24}}',
    ['persistence.timeout=300'],
    { persistence: { timeout: 300, netmask: 24 } },
  ],
  [
    'inside of one that is not there',
    '{}',
    ['tunnel.type=gue', 'tunnel.port=6080'],
    { tunnel: { type: 'gue', port: 6080 } },
  ],
  ['to an IPv6 address', '{}', ['ipv6=2001:db8::1'], { ipv6: '2001:db8::1' }],
  [
    'to a list',
    '{}',
    ['schedulerFlags=["mh-port"]', 'onePacket=true'],
    { schedulerFlags: ['mh-port'], onePacket: true },
  ],
  ['to what holds an equals sign', '{}', ['container=a=b'], { container: 'a=b' }],
  ['to digits that are a text', '{}', ['host="12"'], { host: '12' }],
  ['named like what every object has', '{}', ['constructor=1', 'toString=2'], { constructor: 1, toString: 2 }],
])('sets fields %s', (_, text, operands, expected) => {
  expect(withFields(text, operands)).toEqual(expected);
});

test.each(['tcp=80', 'persistence.timeout=', 'ipv6=::1'])('%s sets a field', (operand) => {
  expect(isField(operand)).toBe(true);
});

test.each(['{"tcp":80}', 'tcp: 80', '-', '=80', '1=2', 'a b=c', '..=x'])('%s sets none', (operand) => {
  expect(isField(operand)).toBe(false);
  expect(() => withFields('{}', [operand])).toThrow(/expected FIELD=VALUE, such as tcp=80/);
});

test('a value that is no object has no fields to set', () => {
  expect(() => withFields('[1]', ['tcp=80'])).toThrow(
    'the value is "[1]", which has no fields: give the whole value instead',
  );
});
