import { describe, expect, test } from '@jest/globals';
import { canonicalDestination, canonicalVirtualService, destinationKey } from '@clusterf/ipvs';
import type { Config, Frontend } from '@clusterf/model';
import * as fc from 'fast-check';
import { planService } from '../src/plan.js';
import { routeTable } from '../src/routes.js';
import { trees } from './arbitrary-tree.js';
import { OPTIONS, one, plan, read, said, tree, WEB, wrong } from './planned.js';

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
        backends: {
          a: { ipv4: '172.17.0.2', tcp: 80, host: 'h1' },
          b: { ipv4: '172.17.0.3', tcp: 80, host: 'h2' },
          c: { ipv4: '172.17.0.4', tcp: 80 },
        },
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

  test('takes scheduler and method from the options where nobody says', () => {
    const config = tree({ web: { frontend: WEB, backends: { a: { ipv4: '172.17.0.2', tcp: 80 } } } });
    expect(said(plan(config, { ...OPTIONS, scheduler: 'mh', method: 'droute' }))).toEqual({
      'tcp 10.0.0.1:80 mh': ['172.17.0.2:80 droute 10'],
    });
  });

  test('takes the method from the route before the frontend', () => {
    expect(
      said(one({ ...WEB, method: 'tunnel' }, { ipv4: '172.17.0.2', tcp: 80 }, { r: { ipvsMethod: 'droute' } })),
    ).toEqual({ 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 droute 10'] });
  });

  test('that asks for one packet at a time and has no datagrams does without, and has a problem', () => {
    const planned = plan(tree({ web: { frontend: { ...WEB, sctp: 80, onePacket: true } } }));
    expect([...planned.desired.values()].map(({ service }) => service.onePacket)).toEqual([false, false]);
    expect(wrong(planned)).toEqual([
      'services/web/frontend: onePacket: expected udp or fwmark, only datagrams can be scheduled one by one; ignored',
    ]);
  });

  test('whose netmask is longer than its addresses has a problem, for the family that cannot have it', () => {
    const frontend = { ipv4: '10.0.0.1', ipv6: 'fd00::1', tcp: 80, persistence: { timeout: 1, netmask: 33 } };
    expect(wrong(plan(tree({ web: { frontend } })))).toEqual([
      'services/web/frontend: persistence.netmask 33 is longer than an ipv4 address: 32 taken',
    ]);
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

describe('a virtual address that no client can send to', () => {
  test.each([
    ['0.0.0.0', 'is the unspecified address'],
    ['255.255.255.255', 'is the broadcast address'],
    ['224.0.0.1', 'is a multicast address'],
    ['239.255.255.255', 'is a multicast address'],
    ['::', 'is the unspecified address'],
    ['ff02::1', 'is a multicast address'],
    ['ff0e::1', 'is a multicast address'],
  ])('%s is not published, and the frontend has a problem', (address, why) => {
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    const both = { ipv4: '10.0.0.1', ipv6: 'fd00::1', [family]: address, tcp: 80 };
    const planned = plan(tree({ web: { frontend: both } }));
    expect(planned.desired.size).toBe(1);
    expect(wrong(planned)).toEqual([
      `services/web/frontend: ${family} ${address} ${why}: expected one that clients send to; not published`,
    ]);
  });

  test.each(['127.0.0.1', '240.0.0.1', '0.0.0.1', '223.255.255.255', 'fe80::1', '::1', 'ff:1::', '::ffff:a00:1'])(
    '%s might be one that they do: it is published',
    (address) => {
      const frontend = address.includes(':') ? { ipv6: address, tcp: 80 } : { ipv4: address, tcp: 80 };
      const planned = plan(tree({ web: { frontend } }));
      expect([planned.desired.size, wrong(planned)]).toEqual([1, []]);
    },
  );
});

describe('a firewall mark', () => {
  test('without an address takes the families of its backends', () => {
    const planned = plan(
      tree({ m: { frontend: { fwmark: 7 }, backends: { a: { ipv4: '172.17.0.2' }, b: { ipv6: 'fd00::2' } } } }),
    );
    expect(said(planned)).toEqual({
      'fwmark ipv4 7 wlc': ['172.17.0.2:0 masq 10'],
      'fwmark ipv6 7 wlc': ['[fd00::2]:0 masq 10'],
    });
  });

  test('without an address or backends publishes nothing, and says what is missing', () => {
    const planned = plan(tree({ m: { frontend: { fwmark: 7 } } }));
    expect([planned.desired.size, wrong(planned)]).toEqual([
      0,
      ['services/m/frontend: fwmark 7 publishes nothing: expected ipv4 or ipv6 here or in a backend'],
    ]);
  });

  test('ignores ports beside it, and says so', () => {
    const planned = one({ ...WEB, udp: 53, fwmark: 7 }, { ipv4: '172.17.0.2', tcp: 8080 });
    expect(said(planned)).toEqual({ 'fwmark ipv4 7 wlc': ['172.17.0.2:8080 masq 10'] });
    expect(wrong(planned)).toEqual([
      'services/web/frontend: fwmark 7: packets are taken by their mark, tcp, udp ignored',
    ]);
  });

  test('through a gateway keeps the ports of its packets', () => {
    const planned = one(
      { fwmark: 7, ipv4: '10.0.0.1' },
      { ipv4: '172.17.0.2', tcp: 8080 },
      { r: { gateway: '192.0.2.1', ipvsMethod: 'droute' } },
    );
    expect(said(planned)).toEqual({ 'fwmark ipv4 7 wlc': ['192.0.2.1:0 droute 10'] });
    expect(wrong(planned)).toEqual([]);
  });

  test('may be scheduled packet by packet', () => {
    const planned = plan(tree({ m: { frontend: { fwmark: 7, ipv4: '10.0.0.1', onePacket: true } } }));
    expect([...planned.desired.values()].map(({ service }) => service.onePacket)).toEqual([true]);
  });

  test('is one virtual service whoever claims it: the smaller name’s', () => {
    const frontend = { fwmark: 7, ipv4: '10.0.0.1' };
    expect(wrong(plan(tree({ b: { frontend }, a: { frontend } })))).toEqual([
      "services/b/frontend: fwmark ipv4 7 is already service a's: not published",
    ]);
  });
});

describe('what an operator has drained', () => {
  const SERVICES = {
    web: {
      frontend: WEB,
      backends: {
        a: { ipv4: '172.17.0.2', tcp: 80, host: 'h1' },
        b: { ipv4: '172.17.0.3', tcp: 80, host: 'h2' },
        c: { ipv4: '172.17.0.4', tcp: 80 },
      },
    },
    db: { frontend: { ipv4: '10.0.0.1', tcp: 5432 }, backends: { a: { ipv4: '172.17.0.2', tcp: 5432, host: 'h1' } } },
  };
  const DB = ['172.17.0.2:5432 masq 10'];
  const SECOND = { ipv4: '172.17.0.6', tcp: 80, host: 'h1' };
  /** On the balancer of h1 itself. */
  const own = (...drained: string[]) => said(plan(tree(SERVICES, {}, drained), { ...OPTIONS, onlyHost: 'h1' }));

  test('a backend has weight 0, and no other', () => {
    expect(said(plan(tree(SERVICES, {}, ['backend web/b'])))).toEqual({
      'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 10', '172.17.0.3:80 masq 0', '172.17.0.4:80 masq 10'],
      'tcp 10.0.0.1:5432 wlc': DB,
    });
  });

  test('of a host every backend has, of every service', () => {
    expect(said(plan(tree(SERVICES, {}, ['host h1'])))).toEqual({
      'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 0', '172.17.0.3:80 masq 10', '172.17.0.4:80 masq 10'],
      'tcp 10.0.0.1:5432 wlc': ['172.17.0.2:5432 masq 0'],
    });
  });

  test('counts for nothing in a destination that backends share', () => {
    const routes = { all: { prefix: '172.17.0.0/16', gateway: '192.0.2.11', ipvsMethod: 'droute' } } as const;
    const weigh = (...drained: string[]) => said(plan(tree(SERVICES, routes, drained)))['tcp 10.0.0.1:80 wlc'];
    expect(weigh()).toEqual(['192.0.2.11:80 droute 30']);
    expect(weigh('backend web/a')).toEqual(['192.0.2.11:80 droute 20']);
    expect(weigh('backend web/a', 'host h2')).toEqual(['192.0.2.11:80 droute 10']);
    expect(weigh('backend web/a', 'host h2', 'backend web/c')).toEqual(['192.0.2.11:80 droute 0']);
  });

  test('a host goes on serving what its own balancer is sent, but not from a backend that is drained itself', () => {
    const all = { 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 10'], 'tcp 10.0.0.1:5432 wlc': DB };
    expect(own('host h1')).toEqual(all);
    const more = { ...SERVICES, web: { ...SERVICES.web, backends: { ...SERVICES.web.backends, d: SECOND } } };
    const two = (...drained: string[]) => said(plan(tree(more, {}, drained), { ...OPTIONS, onlyHost: 'h1' }));
    expect(two('backend web/a', 'host h1')).toEqual({
      ...all,
      'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 0', '172.17.0.6:80 masq 10'],
    });
  });

  test('a host goes on serving from its last backend what its own balancer is sent, drained or not', () => {
    expect(own('backend web/a')).toMatchObject({ 'tcp 10.0.0.1:80 wlc': ['172.17.0.2:80 masq 10'] });
  });

  test('a balancer plans as ever', () => {
    expect(said(plan(tree(SERVICES, {}, ['balancer lb1'])))).toEqual(said(plan(tree(SERVICES))));
  });
});

test('plans nothing that the kernel’s client would refuse, whatever the tree takes', () => {
  fc.assert(
    fc.property(trees(['rr', 'sh', 'mh', 'a-scheduler']), fc.boolean(), (entries, syncDaemon) => {
      for (const { service, destinations } of plan(read(entries), OPTIONS, syncDaemon).desired.values()) {
        const { serviceName: _name, ...virtual } = service;
        expect(canonicalVirtualService(virtual)).toEqual(virtual);
        for (const [key, { backends: _backends, ...destination }] of destinations) {
          expect(canonicalDestination(destination)).toEqual(destination);
          expect(destinationKey(destination)).toBe(key);
          expect(destination.family === service.id.family || (destination.method === 'tunnel' && !syncDaemon)).toBe(
            true,
          );
        }
      }
    }),
  );
});

test('the order in which entries were read makes no difference', () => {
  fc.assert(
    fc.property(trees(['rr', 'mh']), (entries) => {
      const [first, other] = [entries, new Map([...entries].toReversed())].map((each) => plan(read(each), OPTIONS));
      expect(new Map(other?.desired)).toEqual(new Map(first?.desired));
      expect(other?.problems).toEqual(first?.problems);
    }),
  );
});

test('loses no weight but what is drained, and no backend: each joins, is a problem, or speaks something else', () => {
  fc.assert(
    fc.property(trees(['rr']), (entries) => {
      const { services, routes, drains } = read(entries);
      for (const [name, service] of services) {
        const planned = planService(name, service, { routes: routeTable(routes), drains }, OPTIONS);
        for (const { service: virtual, destinations } of planned.entries) {
          const merged = [...destinations.values()].flatMap(({ backends }) => backends);
          expect(new Set(merged).size).toBe(merged.length);
          for (const { backends, weight } of destinations.values()) {
            const sum = backends.reduce((total, each) => {
              const { weight: own = 0, host = '' } = service.backends.get(each) ?? {};
              return drains.hosts.has(host) || drains.backends.has(`${name}/${each}`) ? total : total + own;
            }, 0);
            expect(weight).toBe(Math.min(sum, 0x7fff_ffff));
          }
          const { family } = virtual.id;
          const missing = [...service.backends].filter(
            ([each, fields]) =>
              !merged.includes(each) &&
              fields[family] !== undefined &&
              (!('protocol' in virtual.id) || fields[virtual.id.protocol] !== undefined),
          );
          const excused = planned.problems.map(({ key, message }) =>
            message.includes('backends left out') ? 'any' : key.split('/').at(-1),
          );
          expect(missing.filter(([each]) => !excused.includes(each) && !excused.includes('any'))).toEqual([]);
        }
      }
    }),
  );
});
