import { describe, expect, test } from '@jest/globals';
import type { ContainerState, NetworkState } from '../src/container.js';
import { effectiveWeight } from '../src/backends.js';
import { registrations, type RegistrationOptions } from '../src/registrations.js';
import { container, OPTIONS } from './observer.js';

const ID = container().id;

function register(
  containers: readonly ContainerState[],
  options: Partial<RegistrationOptions> = {},
  { draining = [] as readonly string[], networks = [] as readonly NetworkState[] } = {},
) {
  const view = { containers, others: [], draining: new Set(draining), networks };
  const { entries, problems } = registrations(view, { ...OPTIONS, ...options });
  return { entries: Object.fromEntries(entries), problems: problems.map(({ key, message }) => `${key}: ${message}`) };
}

/** The one backend's value. */
function value(overrides: Partial<ContainerState>, options: Partial<RegistrationOptions> = {}): unknown {
  const [text] = Object.values(register([container(overrides)], options).entries);
  return text === undefined ? undefined : JSON.parse(text);
}

describe('the table of container states', () => {
  test.each<[ContainerState['status'], ContainerState['health'], boolean, number | undefined]>([
    ['running', 'none', false, 7],
    ['running', 'healthy', false, 7],
    ['running', 'starting', false, 0],
    ['running', 'unhealthy', false, 0],
    ['running', 'none', true, 0],
    ['running', 'healthy', true, 0],
    ['paused', 'none', false, 0],
    ['paused', 'healthy', false, 0],
    ['exited', 'none', false, undefined],
    ['exited', 'healthy', true, undefined],
    ['dead', 'none', false, undefined],
    ['created', 'none', false, undefined],
    ['removing', 'none', false, undefined],
    ['restarting', 'none', false, undefined],
  ])('%s, health %s, draining %s: weight %s', (status, health, draining, weight) => {
    expect(effectiveWeight({ status, health }, 7, draining)).toBe(weight);
  });

  test('only the container that was told to stop drains', () => {
    const other = container({ id: 'c2'.padEnd(64, '0'), name: 'web-2' });
    const { entries } = register([container(), other], {}, { draining: [ID] });
    expect(Object.values(entries).map((text) => JSON.parse(text).weight)).toEqual([0, 10]);
  });
});

describe('a backend', () => {
  test('is keyed by service and full container id, and says host and container', () => {
    expect(register([container()])).toEqual({
      entries: {
        [`services/web/backends/${ID}`]:
          '{"ipv4":"172.17.0.2","tcp":80,"weight":10,"host":"host1","container":"web-1"}',
      },
      problems: [],
    });
  });

  test('is registered once for every service', () => {
    const labels = { 'clusterf.service': 'a b', 'clusterf.backend.udp': '53' };
    expect(Object.keys(register([container({ labels })]).entries)).toEqual([
      `services/a/backends/${ID}`,
      `services/b/backends/${ID}`,
    ]);
  });

  test('has IPv6 where the network has', () => {
    expect(value({ attachments: [{ network: 'six', ipv6: 'fd00::2' }] })).toMatchObject({ ipv6: 'fd00::2' });
    expect(value({ attachments: [{ network: 'both', ipv4: '10.0.0.2', ipv6: 'fd00::2' }] })).toMatchObject({
      ipv4: '10.0.0.2',
      ipv6: 'fd00::2',
    });
  });

  test('without a port is a problem, and other services go on', () => {
    const labels = { 'clusterf.service': 'a b', 'clusterf.backend:b.tcp': '80' };
    const { entries, problems } = register([container({ labels })]);
    expect(Object.keys(entries)).toEqual([`services/b/backends/${ID}`]);
    expect(problems).toEqual(['web-1 service: a: no usable port; expected a label such as clusterf.backend.tcp']);
  });

  test('with a bad label is a problem of that container, and other containers go on', () => {
    const bad = container({
      id: 'bad',
      name: 'bad',
      labels: { 'clusterf.service': 'web', 'clusterf.backend.tcp': 'http' },
    });
    const { entries, problems } = register([bad, container()]);
    expect(Object.keys(entries)).toEqual([`services/web/backends/${ID}`]);
    expect(problems[0]).toBe('bad clusterf.backend.tcp: "http" is not a port: expected a whole number from 1 to 65535');
  });
});

describe('--require-exposed', () => {
  const labels = { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80', 'clusterf.backend.udp': '53' };

  test('off: a port is registered whether exposed or not', () => {
    expect(value({ labels })).toMatchObject({ tcp: 80, udp: 53 });
  });

  test('on: only exposed ports are, the others are problems', () => {
    const { entries, problems } = register([container({ labels, exposed: ['80/tcp', '53/tcp'] })], {
      requireExposed: true,
    });
    const [text = ''] = Object.values(entries);
    expect(JSON.parse(text)).toEqual({ ipv4: '172.17.0.2', tcp: 80, weight: 10, host: 'host1', container: 'web-1' });
    expect(problems).toEqual([expect.stringContaining('53/udp is neither exposed nor published')]);
  });
});

describe('routes', () => {
  const networks = [{ name: 'front', subnets: ['10.2.0.0/16', '10.1.0.0/16', 'fd01::/64'] }];

  test('none unless asked', () => {
    expect(register([], {}, { networks }).entries).toEqual({});
  });

  test('one for each subnet and family, with the gateway of the family', () => {
    const options = {
      routeNetworks: ['front'],
      routeGateway4: '192.0.2.1',
      routeGateway6: '2001:db8::1',
      routeMethod: 'tunnel',
    } as const;
    expect(register([], options, { networks })).toEqual({
      entries: {
        'routes/host1-front-ipv4': '{"Prefix":"10.1.0.0/16","Gateway":"192.0.2.1","IPVSMethod":"tunnel"}',
        'routes/host1-front-ipv4-2': '{"Prefix":"10.2.0.0/16","Gateway":"192.0.2.1","IPVSMethod":"tunnel"}',
        'routes/host1-front-ipv6': '{"Prefix":"fd01::/64","Gateway":"2001:db8::1","IPVSMethod":"tunnel"}',
      },
      problems: [],
    });
  });

  test('through this host itself, by its own address of the family', () => {
    const options = {
      routeNetworks: ['front', 'front'],
      routeGateway4: 'host',
      routeGateway6: 'host',
      routeMethod: 'droute',
      hostAddresses: { ipv4: { value: '192.0.2.11', from: '--host-address' } },
    } as const;
    expect(register([], options, { networks })).toEqual({
      entries: {
        'routes/host1-front-ipv4': '{"Prefix":"10.1.0.0/16","Gateway":"192.0.2.11","IPVSMethod":"droute"}',
        'routes/host1-front-ipv4-2': '{"Prefix":"10.2.0.0/16","Gateway":"192.0.2.11","IPVSMethod":"droute"}',
      },
      problems: [
        'network front: no ipv6 route: the gateway is to be this host, whose address is not known; expected --host-address',
      ],
    });
  });

  test('a subnet that cannot be read is a problem, the others go on', () => {
    const odd = [{ name: 'front', subnets: ['10.1.0.0', '10.2.0.0/16'] }];
    const { entries, problems } = register([], { routeNetworks: ['front'] }, { networks: odd });
    expect(Object.keys(entries)).toEqual(['routes/host1-front-ipv4']);
    expect(problems).toEqual([expect.stringContaining('a subnet is not advertised: "10.1.0.0" is not a prefix')]);
  });

  test('a network without subnets, such as host, is a problem', () => {
    const { entries, problems } = register(
      [],
      { routeNetworks: ['host'] },
      { networks: [{ name: 'host', subnets: [] }] },
    );
    expect(entries).toEqual({});
    expect(problems).toEqual(['network host: the network has no subnet to advertise']);
  });

  test('appear with their network, and go with it', () => {
    const options = { routeNetworks: ['late', 'front'] };
    const before = register([], options, { networks });
    expect(Object.keys(before.entries)).toHaveLength(3);
    const created = register([], options, { networks: [...networks, { name: 'late', subnets: ['fd02::/64'] }] });
    expect(created.entries).toEqual({ ...before.entries, 'routes/host1-late-ipv6': '{"Prefix":"fd02::/64"}' });
    expect(created.problems).toEqual([]);
    expect(register([], options, { networks: [] }).entries).toEqual({});
  });

  test('a network that is not there is a problem', () => {
    expect(register([], { routeNetworks: ['gone'] }, { networks })).toEqual({
      entries: {},
      problems: ['network gone: --route-network names a network that Docker does not have'],
    });
  });
});

describe('what was decided before', () => {
  const owner = container({ id: 'owner'.padEnd(64, '0'), name: 'owner', labels: {} });
  const alone = container();
  const sharing = container({ id: 'c2'.padEnd(64, '0'), name: 'web-2', networkMode: `container:${owner.id}` });
  const ask = (others: readonly ContainerState[], draining: readonly string[], options: RegistrationOptions) =>
    registrations({ containers: [alone, sharing], others, draining: new Set(draining), networks: [] }, options);
  const weights = (draining: readonly string[]) =>
    [...ask([owner], draining, OPTIONS).entries.values()].map((text) => JSON.parse(text).weight);

  test('is decided otherwise when the container is told to stop, and when it is not any more', () => {
    expect([weights([]), weights([ID]), weights([])]).toEqual([
      [10, 10],
      [0, 10],
      [10, 10],
    ]);
  });

  test('is decided otherwise when the options are others', () => {
    const hosts = ['host1', 'host2'].map((hostName) => {
      const [text = ''] = ask([owner], [], { ...OPTIONS, hostName }).entries.values();
      return JSON.parse(text).host;
    });
    expect(hosts).toEqual(['host1', 'host2']);
  });

  test('is decided otherwise when only the container whose network is used has changed', () => {
    const moved = { ...owner, attachments: [{ network: 'bridge', ipv4: '172.17.0.9' }] };
    const addresses = [[owner], [moved], []].map((others) =>
      [...ask(others, [], OPTIONS).entries.values()].map((text) => JSON.parse(text).ipv4),
    );
    expect(addresses).toEqual([['172.17.0.2', '172.17.0.2'], ['172.17.0.2', '172.17.0.9'], ['172.17.0.2']]);
  });
});
