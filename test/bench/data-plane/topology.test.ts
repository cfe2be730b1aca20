import { expect, test } from '@jest/globals';
import { containerAddress, PORTS, treeOf, WAY_NAMES, wayOf } from './topology.js';

const TREE = treeOf(WAY_NAMES.map((name) => [name, wayOf(name)] as const));

function backendsOf(service: string): unknown[] {
  const prefix = `services/${service}/backends/`;
  return [...TREE].filter(([path]) => path.startsWith(prefix)).map(([, value]): unknown => JSON.parse(value));
}

test('small requests have two servers, and both connections of iperf3 meet the same one', () => {
  expect(backendsOf('masq-requests')).toHaveLength(2);
  expect(backendsOf('masq-bulk')).toHaveLength(1);
});

test('the containers of a host say which host they are on, so that its own agent takes them', () => {
  expect(backendsOf('twoTierDroute-requests')).toContainEqual({
    ipv4: containerAddress('near', 2),
    tcp: PORTS.requests,
    weight: 10,
    host: 'near',
  });
});

test('what others balance is not in the tree', () => {
  const services = new Set([...TREE.keys()].map((path) => path.split('/')[1]));
  expect([...services].filter((name) => /haproxy|nginx|keepalived|direct|forwarded/.test(name ?? ''))).toEqual([]);
});
