import { type Destination, destinationKey, type VirtualServiceId, virtualServiceKey } from '@clusterf/ipvs';
import { parseAddress } from '@clusterf/model';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { addressesToBind, type BindingRules, checkInterfaceName } from '../src/addresses/index.js';
import { fromBytes, toBytes } from '../src/addresses/bytes.js';
import { Refusals } from '../src/addresses/refusals.js';
import { RtnetlinkError } from '../src/addresses/rtnetlink-error.js';
import { unsuitable } from '../src/addresses/unsuitable.js';
import type { Op } from '../src/diff.js';
import { type MutableTable, tableEntry } from '../src/table.js';

const tcp = (address: string, port = 80): VirtualServiceId => ({
  family: address.includes(':') ? 'ipv6' : 'ipv4',
  protocol: 'tcp',
  address,
  port,
});

const destination = (weight: number, address = '172.17.0.2'): Destination => ({
  family: 'ipv4',
  address,
  port: 8080,
  method: 'masq',
  weight,
  upperThreshold: 0,
  lowerThreshold: 0,
});

function table(...services: (readonly [VirtualServiceId, ...Destination[]])[]): MutableTable {
  return new Map(
    services.map(([id, ...destinations]) => [
      virtualServiceKey(id),
      tableEntry({ id, scheduler: 'rr', schedulerFlags: 0, onePacket: false }, destinations),
    ]),
  );
}

const RULES: BindingRules = { ours: () => true, removals: [], withdrawWhenEmpty: false };
const EMPTY: BindingRules = { ...RULES, withdrawWhenEmpty: true };
const delService = (service: VirtualServiceId): Op => ({
  command: 'delService',
  key: virtualServiceKey(service),
  service,
});
const delDestination = (service: VirtualServiceId, gone: Destination): Op => ({
  command: 'delDestination',
  key: virtualServiceKey(service),
  service,
  destination: gone,
});

describe('the addresses to bind', () => {
  const A = tcp('10.9.0.1');
  const B = tcp('10.9.0.1', 443);
  const V6 = tcp('2001:db8::1');

  test.each<[string, MutableTable, BindingRules, string[]]>([
    ['each address of our virtual services once', table([A], [B], [V6]), RULES, ['10.9.0.1', '2001:db8::1']],
    ['none of a firewall mark', table([{ family: 'ipv4', fwmark: 7 }]), RULES, []],
    ['none of loopback', table([tcp('127.0.0.1')], [tcp('127.9.0.1')], [tcp('::1')], [A]), RULES, ['10.9.0.1']],
    [
      'none of virtual services that are not ours',
      table([A], [V6]),
      { ...RULES, ours: (key) => key.includes('2001') },
      ['2001:db8::1'],
    ],
    ['not what this pass removes', table([A], [V6]), { ...RULES, removals: [delService(A)] }, ['2001:db8::1']],
    [
      'what another virtual service keeps using',
      table([A], [B]),
      { ...RULES, removals: [delService(A)] },
      ['10.9.0.1'],
    ],
    ['what has no destinations, unless asked otherwise', table([A]), RULES, ['10.9.0.1']],
    ['not what has no destinations, when asked', table([A], [V6, destination(1)]), EMPTY, ['2001:db8::1']],
    ['not what has but destinations of weight 0, when asked', table([A, destination(0)]), EMPTY, []],
    [
      'what one of several virtual services has a destination for, when asked',
      table([A, destination(0)], [B, destination(0), destination(3, '172.17.0.3')]),
      EMPTY,
      ['10.9.0.1'],
    ],
    [
      'not what loses its last destination in this pass, when asked',
      table([A, destination(5), destination(0, '172.17.0.3')]),
      { ...EMPTY, removals: [delDestination(A, destination(5))] },
      [],
    ],
    [
      'what loses one of two destinations in this pass, when asked',
      table([A, destination(5), destination(5, '172.17.0.3')]),
      { ...EMPTY, removals: [delDestination(A, destination(5))] },
      ['10.9.0.1'],
    ],
    [
      'what another virtual service loses the same destination of, when asked',
      table([A, destination(5)], [V6, destination(5)]),
      { ...EMPTY, removals: [delDestination(A, destination(5))] },
      ['2001:db8::1'],
    ],
  ])('are %s', (_, actual, rules, expected) => {
    expect([...addressesToBind(actual, rules)]).toEqual(expected);
  });

  test('are told by the keys that the table has them by', () => {
    expect(
      table([A, destination(1)])
        .get(virtualServiceKey(A))
        ?.destinations.has(destinationKey(destination(1))),
    ).toBe(true);
  });
});

describe('an address that is no virtual address', () => {
  test.each(['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.255.255.255', '255.255.255.255'])('%s has a reason', (address) => {
    expect(unsuitable(address)).toBeDefined();
  });
  test.each(['::', 'ff02::1', 'ff0e:1::', 'fe80::1', 'febf::1', '::ffff:a09:1'])('%s has a reason', (address) => {
    expect(unsuitable(address)).toBeDefined();
  });
  test.each(['10.9.0.1', '1.0.0.0', '169.254.1.1', '240.0.0.1', 'ff::1', 'fec0::1', 'fd00::1', '2001:db8::', '::2'])(
    '%s has none',
    (address) => {
      expect(unsuitable(address)).toBeUndefined();
    },
  );
});

describe('an address in bytes', () => {
  test('and back is the text the tree has it by', () => {
    const known = fc.oneof(fc.ipV4(), fc.ipV6()).map(parseAddress);
    const back = fc.property(
      known,
      (parsed) => !parsed.ok || fromBytes(toBytes(parsed.value.text)) === parsed.value.text,
    );
    expect(fc.check(back)).toMatchObject({ failed: false });
  });

  test('of another length is none', () => {
    expect(fromBytes(Buffer.alloc(6))).toBeUndefined();
  });
});

describe('--vip-interface', () => {
  test.each(['clusterf0', 'v', 'a23456789012345', 'vip.0', 'vip-0_@'])('takes %s', (name) => {
    expect(checkInterfaceName(name)).toBeUndefined();
  });
  test.each(['', 'a234567890123456', 'vip 0', 'vip/0', 'vip:0', 'vip%d', '.', '..', 'all', 'default', 'vïp', 'a\nb'])(
    'does not take %j',
    (name) => {
      expect(checkInterfaceName(name)).toContain('1 to 15 characters');
    },
  );
});

describe('refusals', () => {
  test('for one reason are one problem that names the first addresses and counts the others', () => {
    const refusals = new Refusals('vip0');
    for (let i = 1; i <= 5; i += 1) refusals.add(`10.9.0.${i}`, 'bound', 'no room');
    refusals.add('10.9.0.9', 'removed', 'no right');
    expect(refusals.problems).toEqual([
      { source: 'kernel', key: 'vip0 10.9.0.1, 10.9.0.2, 10.9.0.3 and 2 more', message: 'not bound: no room' },
      { source: 'kernel', key: 'vip0 10.9.0.9', message: 'not removed: no right' },
    ]);
  });
});

describe('an error of the netlink package', () => {
  test.each<[string, Error, RegExp]>([
    ['EEXIST', new Error('Request rejected: EEXIST'), /^add 10\.9\.0\.1: exists already \(EEXIST\)$/],
    ['ETIMEDOUT', new Error('Timeout has been reached'), /did not answer in time/],
    ['ENOBUFS', Object.assign(new Error('recvmsg'), { code: 'ENOBUFS' }), /no room/],
  ])('gets its code %s', (code, thrown, message) => {
    const error = RtnetlinkError.from('add 10.9.0.1', thrown);
    expect(error).toMatchObject({ code, cause: thrown });
    expect(error.message).toMatch(message);
  });

  test('that is a bug stays what it is', () => {
    const bug = new TypeError('x is not a function');
    expect(() => RtnetlinkError.from('add', bug)).toThrow(bug);
  });
});
