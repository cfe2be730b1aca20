import { expect, test } from '@jest/globals';
import { parseAddress } from '@clusterf/model';
import { defaultRoute, parseLocal4, parseRoutes4, parseRoutes6, routeTo } from '../../src/doctor/proc-net.js';

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

/** As Linux 6.1 wrote them. */
const ROUTE = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT                                                       
eth0	00000000	0102000A	0003	0	0	100	00000000	0	0	0                                                                           
eth1	00000000	0103000A	0003	0	0	50	00000000	0	0	0                                                                           
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0                                                                             
eth0	0002000A	00000000	0001	0	0	200	00FFFFFF	0	0	0                                                                           
*	0000A8C0	00000000	0201	0	0	0	0000FFFF	0	0	0
`;

test('routes of IPv4 are found, the longest first and then the one of the smallest metric', () => {
  const routes = parseRoutes4(ROUTE);
  expect(routes.map(({ prefix, device }) => `${prefix.text} ${device}`)).toEqual([
    '0.0.0.0/0 eth0',
    '0.0.0.0/0 eth1',
    '172.17.0.0/16 docker0',
    '10.0.2.0/24 eth0',
  ]);
  expect(routeTo(routes, address('172.17.0.2'))?.device).toBe('docker0');
  expect(routeTo(routes, address('10.0.2.9'))?.device).toBe('eth0');
  expect(routeTo(routes, address('8.8.8.8'))?.device).toBe('eth1');
  expect(defaultRoute(routes, 'ipv4')?.device).toBe('eth1');
  expect(defaultRoute(routes, 'ipv6')).toBeUndefined();
});

const IPV6_ROUTE = `fd000002000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000002000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
fd000002000000000000000000000009 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;

test('routes of IPv6 are found, and the machine’s own addresses', () => {
  const { routes, local } = parseRoutes6(IPV6_ROUTE);
  expect(routes.map(({ prefix, device, metric }) => `${prefix.text} ${device} ${metric}`)).toEqual([
    'fd00:2::/64 eth0 256',
    '::/0 eth0 1024',
  ]);
  expect(local.map(({ text }) => text)).toEqual(['::1/128', 'fd00:2::9/128']);
});

const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 2
        |-- 10.0.2.0
           /24 link UNICAST
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     |-- 10.107.0.0
        /16 host LOCAL
     |-- 127.0.0.0
        /8 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 10.0.2.15
           /32 host LOCAL
`;

test('what ends here are addresses of devices and local routes', () => {
  expect(parseLocal4(FIB_TRIE).map(({ text }) => text)).toEqual(['10.0.2.15/32', '10.107.0.0/16', '127.0.0.0/8']);
});
