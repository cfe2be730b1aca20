import { expect, test } from '@jest/globals';
import { judge } from '../../../src/doctor/judge.js';
import { facts, network, troubles } from '../site.js';

test('nothing is wrong with a machine that has what it needs', () => {
  expect(troubles(facts())).toEqual([]);
});

test('every finding that is not fine says what it leads to', () => {
  const broken = facts({
    kernel: { ...facts().kernel, ipvs: false },
    network: network({}, { 'net.ipv4.ip_forward': '0' }),
  });
  const bare = judge(broken).filter(
    ({ severity, why, mend }) => severity !== 'ok' && (why === undefined || mend === undefined),
  );
  expect(bare).toEqual([]);
  expect(troubles(broken).length).toBeGreaterThan(1);
});
