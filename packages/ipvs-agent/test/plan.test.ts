import { describe, expect, test } from '@jest/globals';
import { canonicalDestination, canonicalVirtualService } from '@clusterf/ipvs';
import { type Backend, type Config, ConfigTree, type Frontend, type Route } from '@clusterf/model';
import * as fc from 'fast-check';
import type { PlanOptions } from '../src/plan.js';
import { Planner } from '../src/planner.js';

const OPTIONS: PlanOptions = { method: 'masq', scheduler: 'wlc', elide: false };

/** The whole tree planned anew. */
function plan(config: Config, options: PlanOptions): Planner {
  const planner = new Planner(options);
  planner.update(config, { services: new Set(config.services.keys()), routes: true });
  return planner;
}

function backend(fields: Partial<Backend>): Backend {
  return { weight: 10, ...fields };
}

function tree(
  services: Record<string, { frontend?: Frontend; backends?: Record<string, Partial<Backend>> }>,
  routes: Record<string, Partial<Route>> = {},
): Config {
  return {
    services: new Map(
      Object.entries(services).map(([name, { frontend, backends = {} }]) => [
        name,
        {
          ...(frontend && { frontend }),
          backends: new Map(Object.entries(backends).map(([b, fields]) => [b, backend(fields)])),
        },
      ]),
    ),
    routes: new Map(Object.entries(routes).map(([name, route]) => [name, { priority: 0, ...route }])),
  };
}

/** The plan in the few words a table of expectations needs: `tcp 10.0.0.1:80 wlc` → `172.17.0.2:8080 masq 10`. */
function said({ desired }: Pick<Planner, 'desired'>): Record<string, string[]> {
  return Object.fromEntries(
    [...desired].map(([key, { service, destinations }]) => [
      `${key} ${service.scheduler}`,
      [...destinations].map(([d, { method, weight }]) => `${d} ${method} ${weight}`),
    ]),
  );
}

const WEB: Frontend = { ipv4: '10.0.0.1', tcp: 80 };

/** One backend, on 172.17.0.2:8080, behind these routes. */
const behind = (routes: Record<string, Partial<Route>>) =>
  plan(tree({ web: { frontend: WEB, backends: { a: { ipv4: '172.17.0.2', tcp: 8080 } } } }, routes), OPTIONS);

/** The destinations' tunnels, with a route to a gateway. */
const tunnel = (fields: Partial<Route>) =>
  [...behind({ r: { gateway: '192.0.2.1', ipvsMethod: 'tunnel', ...fields } }).desired.values()].flatMap(
    ({ destinations: planned }) => [...planned.values()].map((d) => d.tunnel),
  );

/** Upper thresholds of the one destination of backends with these. */
const limits = (...uppers: (number | undefined)[]) => {
  const backends = Object.fromEntries(
    uppers.map((upperThreshold, i) => [
      `b${i}`,
      { ipv4: '172.17.0.2', tcp: 80, ...(upperThreshold !== undefined && { upperThreshold }) },
    ]),
  );
  return [...plan(tree({ web: { frontend: WEB, backends } }), OPTIONS).desired.values()].flatMap(({ destinations }) =>
    [...destinations.values()].map((d) => d.upperThreshold),
  );
};

describe('a service', () => {
  test.each<[string, Config, Record<string, string[]>]>([
    [
      'has one virtual service for each family and protocol it has both an address and a port for',
      tree({
        dns: {
          frontend: { ipv4: '10.0.0.1', ipv6: '2001:db8::1', tcp: 53, udp: 53 },
          backends: { a: { ipv4: '172.17.0.2', tcp: 5353, udp: 5353 }, b: { ipv6: 'fd00::2', udp: 5353 } },
        },
      }),
      {
        'tcp 10.0.0.1:53 wlc': ['172.17.0.2:5353 masq 10'],
        'udp 10.0.0.1:53 wlc': ['172.17.0.2:5353 masq 10'],
        'tcp [2001:db8::1]:53 wlc': [],
        'udp [2001:db8::1]:53 wlc': ['[fd00::2]:5353 masq 10'],
      },
    ],
    [
      'takes scheduler and method from its frontend before the options',
      tree({
        web: {
          frontend: { ...WEB, scheduler: 'rr', method: 'droute' },
          backends: { a: { ipv4: '172.17.0.2', tcp: 80 } },
        },
      }),
      { 'tcp 10.0.0.1:80 rr': ['172.17.0.2:80 droute 10'] },
    ],
    ['without a frontend publishes nothing', tree({ web: { backends: { a: { ipv4: '172.17.0.2', tcp: 80 } } } }), {}],
    [
      'by firewall mark is one per family, and a backend with one port gets all packets there',
      tree({
        mark: {
          frontend: { fwmark: 7, ipv4: '10.0.0.1' },
          backends: { a: { ipv4: '172.17.0.2', tcp: 80 }, b: { ipv4: '172.17.0.3', tcp: 80, udp: 53 } },
        },
      }),
      { 'fwmark ipv4 7 wlc': ['172.17.0.2:80 masq 10', '172.17.0.3:0 masq 10'] },
    ],
    [
      'publishes sctp',
      tree({ s: { frontend: { ipv4: '10.0.0.1', sctp: 3868 }, backends: { a: { ipv4: '172.17.0.2', sctp: 3868 } } } }),
      { 'sctp 10.0.0.1:3868 wlc': ['172.17.0.2:3868 masq 10'] },
    ],
  ])('%s', (_, config, expected) => {
    expect(said(plan(config, OPTIONS))).toEqual(expected);
  });

  test('that publishes nothing has a problem that says what is expected', () => {
    const { problems } = plan(tree({ web: { frontend: { ipv4: '10.0.0.1' } } }), OPTIONS);
    expect(problems).toEqual([
      { source: 'plan', key: 'services/web/frontend', message: expect.stringContaining('expected an address') },
    ]);
  });

  test('without destinations is left out when elided', () => {
    const config = tree({
      web: { frontend: WEB },
      db: { frontend: { ...WEB, tcp: 5432 }, backends: { a: { ipv4: '172.17.0.2', tcp: 5432 } } },
    });
    expect(Object.keys(said(plan(config, { ...OPTIONS, elide: true })))).toEqual(['tcp 10.0.0.1:5432 wlc']);
  });

  test('that claims another service’s virtual address leaves it to the smaller name and has a problem', () => {
    const result = plan(
      tree({
        b: { frontend: WEB, backends: { x: { ipv4: '172.17.0.9', tcp: 80 } } },
        a: { frontend: WEB, backends: { x: { ipv4: '172.17.0.2', tcp: 80 } } },
      }),
      OPTIONS,
    );
    expect(said(result)).toEqual({ 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 10'] });
    expect(result.problems).toEqual([
      { source: 'plan', key: 'services/b/frontend', message: "tcp 10.0.0.1:80 is already service a's: not published" },
    ]);
  });

  test('takes only the backends of one Docker host where told so', () => {
    const config = tree({
      web: {
        frontend: WEB,
        backends: { a: { ipv4: '172.17.0.2', tcp: 80, host: 'h1' }, b: { ipv4: '172.17.0.3', tcp: 80, host: 'h2' } },
      },
    });
    expect(said(plan(config, { ...OPTIONS, onlyHost: 'h2' }))).toEqual({
      'tcp 10.0.0.1:80 wlc': ['172.17.0.3:80 masq 10'],
    });
  });

  test.each([
    ['sh falls back past weight 0 unless told otherwise', { scheduler: 'sh' }, 1],
    ['mh falls back and hashes ports unless told otherwise', { scheduler: 'mh' }, 3],
    ['an empty list of flags says none', { scheduler: 'mh', schedulerFlags: [] }, 0],
    ['flags are taken by name', { scheduler: 'sh', schedulerFlags: ['sh-port'] }, 2],
    ['other schedulers have none', { scheduler: 'rr' }, 0],
    ['a scheduler named like something else of JavaScript’s has none', { scheduler: 'constructor' }, 0],
  ])('scheduler flags: %s', (_, fields, flags) => {
    const [entry] = plan(tree({ web: { frontend: { ...WEB, ...fields } } }), OPTIONS).desired.values();
    expect(entry?.service.schedulerFlags).toBe(flags);
  });

  test('names a flag that its scheduler does not have', () => {
    const { problems } = plan(
      tree({ web: { frontend: { ...WEB, scheduler: 'sh', schedulerFlags: ['mh-port'] } } }),
      OPTIONS,
    );
    expect(problems.map((p) => p.message)).toEqual(['schedulerFlags: scheduler sh has no "mh-port": ignored']);
  });

  test('schedules packets one by one only where they are datagrams', () => {
    const { desired } = plan(
      tree({ dns: { frontend: { ipv4: '10.0.0.1', tcp: 53, udp: 53, onePacket: true } } }),
      OPTIONS,
    );
    expect([...desired.values()].map(({ service }) => service.onePacket)).toEqual([false, true]);
  });

  test('keeps clients by whole address unless a netmask is given', () => {
    const frontend = { ipv4: '10.0.0.1', ipv6: '2001:db8::1', tcp: 80 };
    const masks = (persistence: Frontend['persistence']) =>
      [
        ...plan(
          tree({ web: { frontend: { ...frontend, ...(persistence && { persistence }) } } }),
          OPTIONS,
        ).desired.values(),
      ].map(({ service }) => service.persistence);
    expect(masks({ timeout: 300 })).toEqual([
      { timeout: 300, prefixLength: 32 },
      { timeout: 300, prefixLength: 128 },
    ]);
    expect(masks({ timeout: 300, netmask: 24 })).toEqual([
      { timeout: 300, prefixLength: 24 },
      { timeout: 300, prefixLength: 24 },
    ]);
    expect(masks({ timeout: 300, netmask: 64 })).toEqual([
      { timeout: 300, prefixLength: 32 },
      { timeout: 300, prefixLength: 64 },
    ]);
  });
});

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
    expect(limits(100, 50)).toEqual([150]);
    expect(limits(100, undefined)).toEqual([0]);
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

test('plans nothing that the kernel’s client would refuse, whatever the tree takes', () => {
  const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
  const endpoint = {
    ipv4: fc.option(fc.ipV4(), { nil: undefined }),
    ipv6: fc.option(fc.ipV6(), { nil: undefined }),
    tcp: port,
    udp: port,
    sctp: port,
  };
  const limit = fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined });
  const method = fc.option(fc.constantFrom('masq', 'droute', 'tunnel'), { nil: undefined });
  const frontend = fc.record({
    ...endpoint,
    fwmark: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
    scheduler: fc.option(fc.constantFrom('rr', 'sh', 'mh', 'a-scheduler_name'), { nil: undefined }),
    schedulerFlags: fc.option(fc.subarray(['sh-port', 'mh-fallback', 'flag-3']), { nil: undefined }),
    persistence: fc.option(
      fc.record({ timeout: fc.integer({ min: 1, max: 2_678_400 }), netmask: fc.integer({ min: 1, max: 128 }) }),
      { nil: undefined },
    ),
    onePacket: fc.boolean(),
    method,
  });
  const backends = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.record({
      ...endpoint,
      weight: fc.integer({ min: 0, max: 0x7fff_ffff }),
      upperThreshold: limit,
      lowerThreshold: limit,
    }),
  );
  const route = fc.record({
    gateway: fc.option(fc.oneof(fc.ipV4(), fc.ipV6()), { nil: undefined }),
    ipvsMethod: method,
    tunnel: fc.option(fc.record({ type: fc.constantFrom('ipip', 'gue', 'gre'), port, checksum: fc.boolean() }), {
      nil: undefined,
    }),
  });
  fc.assert(
    fc.property(frontend, backends, route, (front, back, way) => {
      const sources = new ConfigTree(['memory:']);
      const entries = new Map([
        ['services/web/frontend', JSON.stringify(front)],
        ['routes/default', JSON.stringify(way)],
        ...Object.entries(back).map(([name, b]): [string, string] => [
          `services/web/backends/${name}`,
          JSON.stringify(b),
        ]),
      ]);
      sources.apply(0, { type: 'snapshot', entries });
      for (const { service, destinations } of plan(sources.config, OPTIONS).desired.values()) {
        expect(() => canonicalVirtualService(service)).not.toThrow();
        for (const destination of destinations.values()) {
          expect(() => canonicalDestination(destination)).not.toThrow();
          expect(destination.family === service.id.family || destination.method === 'tunnel').toBe(true);
        }
      }
    }),
  );
});
