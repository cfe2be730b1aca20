import { describe, expect, test } from '@jest/globals';
import type { ContainerState, NetworkState } from '../src/container.js';
import { effectiveWeight, registrations, type RegistrationOptions } from '../src/registrations.js';
import { container, OPTIONS } from './observer.js';

const ID = container().id;

function register(
  containers: readonly ContainerState[],
  options: Partial<RegistrationOptions> = {},
  { draining = [] as readonly string[], networks = [] as readonly NetworkState[] } = {},
) {
  const view = { containers, draining: new Set(draining), networks };
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

describe('which network', () => {
  const a = { network: 'a', ipv4: '10.0.1.2' };
  const b = { network: 'b', ipv4: '10.0.2.2' };
  const c = { network: 'c', ipv4: '10.0.3.2' };
  const labels = { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80' };

  test.each<
    [
      string,
      Record<string, string>,
      string | undefined,
      readonly ContainerState['attachments'][number][],
      string,
      number,
    ]
  >([
    [
      'the service’s label',
      { 'clusterf.backend.network': 'b', 'clusterf.backend:web.network': 'c' },
      'a',
      [a, b, c],
      c.ipv4,
      0,
    ],
    ['the general label', { 'clusterf.backend.network': 'b' }, 'a', [a, b, c], b.ipv4, 0],
    ['--network', {}, 'b', [a, b, c], b.ipv4, 0],
    ['the only one', {}, undefined, [c], c.ipv4, 0],
    ['the only one, though --network names another', {}, 'b', [c], c.ipv4, 0],
    ['the only one with an address', {}, undefined, [{ network: '0' }, c], c.ipv4, 0],
    ['the first by name, with a notice', {}, undefined, [c, b, a], a.ipv4, 1],
    ['the first by name where --network is none of them, with a notice', {}, 'x', [c, b], b.ipv4, 1],
  ])('%s', (_title, more, network, attachments, ipv4, notices) => {
    const state = container({ labels: { ...labels, ...more }, attachments });
    const { entries, problems } = register([state], { network });
    expect(Object.values(entries).map((text) => JSON.parse(text).ipv4)).toEqual([ipv4]);
    expect(problems).toHaveLength(notices);
  });

  test('the notice names what was taken and what there was', () => {
    expect(register([container({ attachments: [b, a] })]).problems).toEqual([
      'web-1 backend.network: web: registered on a, the first by name of: a, b; set this label or --network',
    ]);
  });

  test('a label that names a network the container is not on is a problem, and no address is guessed', () => {
    const state = container({ labels: { ...labels, 'clusterf.backend.network': 'x' }, attachments: [a] });
    expect(register([state])).toEqual({
      entries: {},
      problems: ['web-1 backend.network: web: the container has no address on "x"; expected one of: a'],
    });
  });

  test.each([
    ['host', "uses the host's network"],
    ['none', 'has no network'],
    ['container:abc', "shares another's network"],
    ['default', 'no address on any network'],
  ])('network mode %s without an address is a problem that says so', (networkMode, message) => {
    const { entries, problems } = register([container({ networkMode, attachments: [] })]);
    expect(entries).toEqual({});
    expect(problems).toEqual([expect.stringContaining(message)]);
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

  test('a network that is not there is a problem', () => {
    expect(register([], { routeNetworks: ['gone'] }, { networks })).toEqual({
      entries: {},
      problems: ['network gone: --route-network names a network that Docker does not have'],
    });
  });
});
