import { describe, expect, test } from '@jest/globals';
import type { ForwardingMethod, Route } from '@clusterf/model';
import type { PlannedDestination } from '../src/plan.js';
import { allDestinations, OPTIONS, one, plan, read, said, together, tree, WEB, wrong } from './planned.js';

/** One backend, on 172.17.0.2:8080, behind these routes. */
const behind = (routes: Record<string, Partial<Route>>) => one(WEB, { ipv4: '172.17.0.2', tcp: 8080 }, routes);

/** The destinations' tunnels, with a route to a gateway. */
const tunnel = (fields: Partial<Route>) =>
  allDestinations(behind({ r: { gateway: '192.0.2.1', ipvsMethod: 'tunnel', ...fields } })).map((each) => each.tunnel);

function limits({ upperThreshold, lowerThreshold }: PlannedDestination): number[] {
  return [upperThreshold, lowerThreshold];
}

describe('backends that end at one address and port', () => {
  test('are one destination with the sum of their weights', () => {
    const config = tree({
      web: {
        frontend: WEB,
        backends: { a: { ipv4: '172.17.0.2', tcp: 80, weight: 3 }, b: { ipv4: '172.17.0.2', tcp: 80, weight: 4 } },
      },
    });
    const result = plan(config, OPTIONS);
    expect(said(result)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 7'] });
    expect([...([...result.desired.values()][0]?.destinations.values() ?? [])].map((d) => d.backends)).toEqual([
      ['a', 'b'],
    ]);
  });

  test('whose methods differ take the smallest name’s, and a problem says so', () => {
    const config = tree(
      { web: { frontend: WEB, backends: { b: { ipv4: '172.18.0.2', tcp: 80 }, a: { ipv4: '172.17.0.2', tcp: 80 } } } },
      {
        one: { prefix: '172.17.0.0/16', gateway: '192.0.2.1', ipvsMethod: 'droute' },
        two: { prefix: '172.18.0.0/16', gateway: '192.0.2.1', ipvsMethod: 'tunnel' },
      },
    );
    const result = plan(config, OPTIONS);
    expect(said(result)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['192.0.2.1:80 droute 20'] });
    expect(result.problems).toEqual([
      {
        source: 'plan',
        key: 'services/web/backends/b',
        message: expect.stringContaining('tunnel differs from droute'),
      },
    ]);
  });

  test('whose tunnels differ take the smallest name’s, and a problem says so', () => {
    const planned = plan(
      tree(
        { web: { frontend: WEB, backends: { b: { ipv4: '172.18.0.2', tcp: 1 }, a: { ipv4: '172.17.0.2', tcp: 2 } } } },
        {
          one: { prefix: '172.17.0.0/16', gateway: '192.0.2.1', ipvsMethod: 'tunnel' },
          two: {
            prefix: '172.18.0.0/16',
            gateway: '192.0.2.1',
            ipvsMethod: 'tunnel',
            tunnel: { type: 'gue', port: 5555, checksum: true },
          },
        },
      ),
    );
    expect(said(planned)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['192.0.2.1:80 tunnel 20'] });
    expect(allDestinations(planned).map((each) => each.tunnel)).toEqual([undefined]);
    expect(wrong(planned)).toEqual([
      'services/web/backends/b: tunnel (gue 5555 checksum) differs from tunnel of a at 192.0.2.1:80: tunnel taken',
    ]);
  });

  test('are one destination in both spellings of an IPv6 address', () => {
    const entries = new Map([
      ['services/web/frontend', '{"ipv6":"2001:DB8:0:0::1","tcp":80}'],
      ['services/web/backends/a', '{"ipv6":"FD00:0::2","tcp":80,"weight":1}'],
      ['services/web/backends/b', '{"ipv6":"fd00::0.0.0.2","tcp":80,"weight":2}'],
    ]);
    expect(said(plan(read(entries)))).toEqual({ 'tcp [2001:db8::1]:80 wlc': ['[fd00::2]:80 masq 3'] });
  });

  test('of which all are drained are drained; one that is not takes new connections', () => {
    expect(allDestinations(together({ weight: 0 }, { weight: 0 })).map(({ weight }) => weight)).toEqual([0]);
    expect(allDestinations(together({ weight: 0 }, { weight: 5 })).map(({ weight }) => weight)).toEqual([5]);
  });

  test('never exceed the kernel’s greatest weight', () => {
    const config = tree({
      web: {
        frontend: WEB,
        backends: {
          a: { ipv4: '172.17.0.2', tcp: 80, weight: 2147483647 },
          b: { ipv4: '172.17.0.2', tcp: 80, weight: 1 },
        },
      },
    });
    const result = plan(config, OPTIONS);
    expect(said(result)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 2147483647'] });
    expect(result.problems).toHaveLength(1);
  });

  test('have a limit of connections only if each has one', () => {
    const [a, b] = [
      { upperThreshold: 100, lowerThreshold: 20 },
      { upperThreshold: 50, lowerThreshold: 10 },
    ];
    expect(allDestinations(together(a, b)).map(limits)).toEqual([[150, 30]]);
    expect(allDestinations(together(a, {})).map(limits)).toEqual([[0, 0]]);
    expect(allDestinations(together(a, { upperThreshold: 50 })).map(limits)).toEqual([[150, 0]]);
    const most = 0xffff_ffff;
    expect(allDestinations(together(a, { upperThreshold: most, lowerThreshold: most })).map(limits)).toEqual([
      [most, most],
    ]);
  });
});

describe('routes', () => {
  test.each<[string, Record<string, Partial<Route>>, string[]]>([
    [
      'with a gateway send to its address and the frontend’s port',
      { r: { prefix: '172.17.0.0/16', gateway: '192.0.2.1', ipvsMethod: 'droute' } },
      ['192.0.2.1:80 droute 10'],
    ],
    [
      'without a gateway only say the method',
      { r: { prefix: '172.17.0.0/16', ipvsMethod: 'masq' } },
      ['172.17.0.2:8080 masq 10'],
    ],
    ['without a method exclude', { r: { prefix: '172.17.0.0/16' } }, []],
    ['that do not match leave the backend as it is', { r: { prefix: '172.18.0.0/16' } }, ['172.17.0.2:8080 masq 10']],
    [
      'the longest prefix wins',
      { wide: { prefix: '172.16.0.0/12' }, narrow: { prefix: '172.17.0.0/24', ipvsMethod: 'masq' } },
      ['172.17.0.2:8080 masq 10'],
    ],
    [
      'no prefix is the default',
      { d: {}, narrow: { prefix: '172.17.0.0/24', ipvsMethod: 'masq' } },
      ['172.17.0.2:8080 masq 10'],
    ],
    [
      'a tie goes to the higher priority',
      { a: { prefix: '172.17.0.0/16' }, b: { prefix: '172.17.0.0/16', ipvsMethod: 'masq', priority: 1 } },
      ['172.17.0.2:8080 masq 10'],
    ],
    [
      'then to the smaller name',
      { b: { prefix: '172.17.0.0/16' }, a: { prefix: '172.17.0.0/16', ipvsMethod: 'masq' } },
      ['172.17.0.2:8080 masq 10'],
    ],
    ['of the other family do not match', { r: { prefix: '::ffff:172.17.0.0/112' } }, ['172.17.0.2:8080 masq 10']],
    ['to a gateway of the other family need a tunnel', { r: { gateway: '2001:db8::1', ipvsMethod: 'droute' } }, []],
    [
      'to a gateway of the other family go by tunnel',
      { r: { gateway: '2001:db8::1', ipvsMethod: 'tunnel' } },
      ['[2001:db8::1]:80 tunnel 10'],
    ],
  ])('%s', (_, routes, expected) => {
    expect(said(behind(routes))['tcp 10.0.0.1:80 wlc']).toEqual(expected);
  });

  test('that leave backends out say so, once for each service', () => {
    const { problems } = plan(
      tree(
        {
          web: {
            frontend: { ...WEB, udp: 53 },
            backends: { a: { ipv4: '172.17.0.2', tcp: 1, udp: 1 }, b: { ipv4: '172.17.0.3', tcp: 1, udp: 1 } },
          },
        },
        { oops: {} },
      ),
      OPTIONS,
    );
    expect(problems).toEqual([
      { source: 'plan', key: 'services/web/frontend', message: 'route oops has no IPVSMethod: backends left out: 2' },
    ]);
  });

  test('say what kind of tunnel', () => {
    expect(tunnel({})).toEqual([undefined]);
    expect(tunnel({ tunnel: { type: 'ipip', port: 1, checksum: true } })).toEqual([undefined]);
    expect(tunnel({ ipvsMethod: 'droute', tunnel: { type: 'gre' } })).toEqual([undefined]);
    expect(tunnel({ tunnel: { type: 'gue', port: 5555 } })).toEqual([{ type: 'gue', port: 5555, checksum: 'none' }]);
    expect(tunnel({ tunnel: { type: 'gue', port: 5555, checksum: true } })).toEqual([
      { type: 'gue', port: 5555, checksum: 'checksum' },
    ]);
    expect(tunnel({ tunnel: { type: 'gre', checksum: true } })).toEqual([
      { type: 'gre', port: 0, checksum: 'checksum' },
    ]);
  });

  test('by which packets would arrive at another port than the backend’s are a problem', () => {
    const { problems } = behind({ r: { prefix: '172.17.0.0/16', ipvsMethod: 'droute' } });
    expect(problems).toEqual([
      {
        source: 'plan',
        key: 'services/web/backends/a',
        message: 'port 8080: droute cannot change the port, packets arrive at 80',
      },
    ]);
  });
});

describe('a destination that the kernel would refuse', () => {
  test.each([
    ['0.0.0.0', 'is the unspecified address'],
    ['255.255.255.255', 'is the broadcast address'],
    ['224.0.0.1', 'is a multicast address'],
    ['::', 'is the unspecified address'],
    ['ff02::1', 'is a multicast address'],
    ['ff0e::1', 'is a multicast address'],
    ['fe80::1', 'is a link-local address'],
    ['febf::1', 'is a link-local address'],
    ['::ffff:a00:1', 'is an IPv4 address in IPv6 dress'],
  ])('%s is left out once for all protocols, the backend has a problem, and the rest goes on', (address, why) => {
    const v6 = address.includes(':');
    const at = (text: string) => (v6 ? { ipv6: text } : { ipv4: text });
    const planned = plan(
      tree({
        web: {
          frontend: { ...at(v6 ? 'fd00::1' : '10.0.0.1'), tcp: 80, udp: 80 },
          backends: {
            bad: { ...at(address), tcp: 80, udp: 80 },
            good: { ...at(v6 ? 'fd00::2' : '10.0.0.2'), tcp: 80, udp: 80 },
          },
        },
      }),
    );
    const good = v6 ? '[fd00::2]:80 masq 10' : '10.0.0.2:80 masq 10';
    expect(Object.values(said(planned))).toEqual([[good], [good]]);
    expect(wrong(planned)).toEqual([
      `services/web/backends/bad: ${address} ${why}, which the kernel takes for no destination: left out`,
    ]);
  });

  test('is told of its gateway where that is the culprit', () => {
    const planned = one(WEB, { ipv4: '172.17.0.2', tcp: 80 }, { r: { gateway: '224.0.0.9', ipvsMethod: 'droute' } });
    expect(wrong(planned)).toEqual([
      'services/web/backends/a: route r: gateway 224.0.0.9 is a multicast address, which the kernel takes for no destination: left out',
    ]);
  });

  test('is none where a gateway stands for it', () => {
    const planned = one(WEB, { ipv4: '0.0.0.0', tcp: 80 }, { r: { gateway: '192.0.2.1', ipvsMethod: 'droute' } });
    expect([said(planned), wrong(planned)]).toEqual([{ 'tcp 10.0.0.1:80 wlc': ['192.0.2.1:80 droute 10'] }, []]);
  });

  test.each(['240.0.0.1', '0.0.0.1', '10.255.255.255'])('may be %s on some machine: the kernel is asked', (ipv4) => {
    const planned = one(WEB, { ipv4, tcp: 80 });
    expect([said(planned), wrong(planned)]).toEqual([{ 'tcp 10.0.0.1:80 wlc': [`${ipv4}:80 masq 10`] }, []]);
  });
});

describe('a loopback address', () => {
  test.each([
    ['127.0.0.1', 'masq', 1],
    ['127.255.0.1', 'masq', 1],
    ['127.0.0.1', 'droute', 0],
    ['127.0.0.1', 'tunnel', 0],
    ['::1', 'masq', 1],
    ['::1', 'droute', 0],
  ] as const)('%s by %s is a destination, with %d problem(s)', (address, method, count) => {
    const v6 = address.includes(':');
    const planned = v6
      ? one({ ipv6: 'fd00::1', tcp: 80, method }, { ipv6: address, tcp: 80 })
      : one({ ...WEB, method }, { ipv4: address, tcp: 80 });
    expect(Object.values(said(planned)).flat()).toHaveLength(1);
    expect(wrong(planned)).toEqual(
      Array(count).fill(
        `services/web/backends/a: ${address} is a loopback address: by masq only clients on the balancer reach it`,
      ),
    );
  });
});

function gatewayOfAnotherFamily(ipvsMethod: ForwardingMethod): Record<string, Partial<Route>> {
  return { r: { gateway: '2001:db8::1', ipvsMethod } };
}

describe('a gateway of another family', () => {
  const fields = { ipv4: '172.17.0.2', tcp: 80 };

  test('is taken by tunnel', () => {
    const planned = one(WEB, fields, gatewayOfAnotherFamily('tunnel'));
    expect(said(planned)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['[2001:db8::1]:80 tunnel 10'] });
    expect(wrong(planned)).toEqual([]);
  });

  test.each(['masq', 'droute'] as const)('is a problem by %s', (method) => {
    const planned = one(WEB, fields, gatewayOfAnotherFamily(method));
    expect(said(planned)).toEqual({ 'tcp 10.0.0.1:80 wlc': [] });
    expect(wrong(planned)).toEqual([
      `services/web/backends/a: route r: gateway 2001:db8::1 is ipv6: the kernel takes another family only by tunnel, not ${method}: left out`,
    ]);
  });

  test('is a problem while a sync daemon runs, and taken again when none does', () => {
    const config = tree({ web: { frontend: WEB, backends: { a: fields } } }, gatewayOfAnotherFamily('tunnel'));
    const planner = plan(config, OPTIONS, true);
    expect(said(planner)).toEqual({ 'tcp 10.0.0.1:80 wlc': [] });
    expect(wrong(planner)).toEqual([
      'services/web/backends/a: route r: gateway 2001:db8::1 is ipv6: the kernel takes no other family while a sync daemon runs: left out',
    ]);
    planner.update(config, { services: new Set(), routes: false }, false);
    expect(said(planner)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['[2001:db8::1]:80 tunnel 10'] });
  });

  test('of the same family a sync daemon does not mind', () => {
    expect(wrong(one(WEB, fields, { r: { gateway: '192.0.2.1', ipvsMethod: 'tunnel' } }, true))).toEqual([]);
  });
});
