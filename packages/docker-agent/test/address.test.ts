import { describe, expect, test } from '@jest/globals';
import type { ContainerState, PublishedPort } from '../src/container.js';
import type { HostAddresses } from '../src/host-addresses.js';
import { registrations, type RegistrationOptions } from '../src/registrations.js';
import { networkOwnersOf } from '../src/shared-network.js';
import { container, OPTIONS } from './observer.js';

const LABELS = { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80' };
const PUBLISH = { ...LABELS, 'clusterf.backend.publish': 'true' };

const HOST: HostAddresses = {
  ipv4: { value: '192.0.2.11', from: '--host-address' },
  ipv6: { value: '2001:db8::11', from: '--host-address' },
};

/** Where the one backend is reached, and what is said about that. */
function reached(
  overrides: Partial<ContainerState>,
  options: Partial<RegistrationOptions> = {},
  others: readonly ContainerState[] = [],
) {
  const view = { containers: [container(overrides)], others, draining: new Set<string>(), networks: [] };
  const { entries, problems } = registrations(view, { ...OPTIONS, ...options });
  const [text] = entries.values();
  const { ipv4, ipv6, tcp, udp } = text === undefined ? ({} as Record<string, unknown>) : JSON.parse(text);
  const at = Object.fromEntries(Object.entries({ ipv4, ipv6, tcp, udp }).filter(([, each]) => each !== undefined));
  return { at, problems: problems.map(({ key, message }) => `${key}: ${message}`) };
}

describe('which network', () => {
  const a = { network: 'a', ipv4: '10.0.1.2' };
  const b = { network: 'b', ipv4: '10.0.2.2' };
  const c = { network: 'c', ipv4: '10.0.3.2' };
  const bridge = { network: 'bridge', ipv4: '172.17.0.2' };
  const ingress = { network: 'ingress', ipv4: '10.255.0.2' };

  interface Case {
    readonly labels?: Record<string, string>;
    readonly network?: string;
    readonly mode?: string;
    readonly on: ContainerState['attachments'];
    readonly taken: string;
    readonly notices?: number;
  }

  test.each<[string, Case]>([
    [
      'the service’s label',
      {
        labels: { 'clusterf.backend.network': 'b', 'clusterf.backend:web.network': 'c' },
        network: 'a',
        on: [a, b, c],
        taken: c.ipv4,
      },
    ],
    ['the general label', { labels: { 'clusterf.backend.network': 'b' }, network: 'a', on: [a, b, c], taken: b.ipv4 }],
    ['--network', { network: 'b', mode: 'c', on: [a, b, c], taken: b.ipv4 }],
    ['the only one', { on: [c], taken: c.ipv4 }],
    ['the only one, though --network names another', { network: 'b', on: [c], taken: c.ipv4 }],
    ['the only one with an address', { on: [{ network: '0' }, c], taken: c.ipv4 }],
    ['the one it was created on, with a notice', { mode: 'b', on: [c, b, a], taken: b.ipv4, notices: 1 }],
    ['the default bridge it was created on', { on: [a, bridge], taken: bridge.ipv4, notices: 1 }],
    ['the first by name, with a notice', { mode: 'gone', on: [c, b, a], taken: a.ipv4, notices: 1 }],
    [
      'the first by name where --network is none of them, with a notice',
      { network: 'x', mode: 'gone', on: [c, b], taken: b.ipv4, notices: 1 },
    ],
    ['swarm’s ingress last', { on: [ingress, { ...c, network: 'zoo' }], taken: c.ipv4, notices: 1 }],
    ['swarm’s ingress if it is all there is', { on: [ingress], taken: ingress.ipv4 }],
  ])('%s', (_title, { labels = {}, network, mode = 'default', on, taken, notices = 0 }) => {
    const { at, problems } = reached(
      { labels: { ...LABELS, ...labels }, networkMode: mode, attachments: on },
      { network },
    );
    expect(at).toEqual({ ipv4: taken, tcp: 80 });
    expect(problems).toHaveLength(notices);
  });

  test('the notice names what was taken, by which rule, and what there was', () => {
    expect(reached({ attachments: [b, a], networkMode: 'b' }).problems).toEqual([
      'web-1 backend.network: web: registered on b, the one it was created on, of: a, b; expected this label or --network to say which',
    ]);
  });

  test('another network joined later changes nothing', () => {
    const before = reached({ attachments: [b], networkMode: 'b' });
    expect(reached({ attachments: [a, b], networkMode: 'b' }).at).toEqual(before.at);
  });

  test('a label that names a network the container is not on is a problem, and no address is guessed', () => {
    const labels = { ...LABELS, 'clusterf.backend.network': 'x' };
    expect(reached({ labels, attachments: [a] })).toEqual({
      at: {},
      problems: ['web-1 clusterf.backend.network: web: the container has no address on "x"; expected one of: a'],
    });
  });

  test('IPv6 where the network has it, alone or besides IPv4', () => {
    expect(reached({ attachments: [{ network: 'six', ipv6: 'fd00::2' }] }).at).toEqual({ ipv6: 'fd00::2', tcp: 80 });
    const both = { network: 'both', ipv4: '10.0.0.2', ipv6: 'fd00::2' };
    expect(reached({ attachments: [both] }).at).toEqual({ ipv4: '10.0.0.2', ipv6: 'fd00::2', tcp: 80 });
  });

  test.each([
    ['none', 'none', 'has no network'],
    ['default', 'l2only', 'has no address'],
  ])('network mode %s on %s, which gives no address, is a problem that says so', (networkMode, network, message) => {
    const { at, problems } = reached({ networkMode, attachments: [{ network }] }, { hostAddresses: HOST });
    expect(at).toEqual({});
    expect(problems).toEqual([expect.stringContaining(message)]);
  });
});

describe('on the host’s network', () => {
  const host = { networkMode: 'host', attachments: [{ network: 'host' }] };

  test('the host’s addresses count, and the container’s ports are the host’s', () => {
    const at = { ipv4: '192.0.2.11', ipv6: '2001:db8::11', tcp: 80 };
    expect(reached(host, { hostAddresses: HOST })).toEqual({ at, problems: [] });
    expect(reached({ ...host, labels: PUBLISH }, { hostAddresses: HOST })).toEqual({ at, problems: [] });
    expect(reached(host, { hostAddresses: { ipv6: { value: '2001:db8::11', from: '' } } }).at).toEqual({
      ipv6: '2001:db8::11',
      tcp: 80,
    });
  });

  test('without a known address it is a problem that says what to do', () => {
    expect(reached(host)).toEqual({
      at: {},
      problems: [
        "web-1 service: web: the container uses the host's network, and the host's address is not known; expected --host-address, or a default route",
      ],
    });
  });
});

describe('on another container’s network', () => {
  const owner = container({
    id: 'owner',
    name: 'owner',
    labels: {},
    attachments: [{ network: 'a', ipv4: '10.0.1.2' }],
  });
  const sharing = { networkMode: 'container:owner', attachments: [], startedAt: 2_000 };

  test('that one’s address counts, with the ports of this one', () => {
    expect(reached(sharing, {}, [owner])).toEqual({ at: { ipv4: '10.0.1.2', tcp: 80 }, problems: [] });
  });

  test('followed through to the last, whatever network that is on', () => {
    const middle = container({ ...sharing, id: 'middle', labels: {} });
    const last = { ...sharing, networkMode: 'container:middle', startedAt: 3_000 };
    expect(reached(last, {}, [owner, middle]).at).toEqual({ ipv4: '10.0.1.2', tcp: 80 });
    const onHost = { ...owner, networkMode: 'host', attachments: [] };
    expect(reached(last, { hostAddresses: HOST }, [onHost, middle]).at).toMatchObject({ ipv4: '192.0.2.11' });
  });

  test('what that one publishes or exposes counts', () => {
    const published = [{ protocol: 'tcp', port: 80, hostIp: '0.0.0.0', hostPort: 8080 }] as const;
    const options = { hostAddresses: HOST, requireExposed: true };
    const { at } = reached({ ...sharing, labels: PUBLISH }, options, [{ ...owner, published, exposed: ['80/tcp'] }]);
    expect(at).toEqual({ ipv4: '192.0.2.11', tcp: 8080 });
  });

  test.each<[string, readonly ContainerState[], string]>([
    ['which is gone', [], 'uses the network of owner, which is not known to run'],
    ['which has ended', [{ ...owner, status: 'exited' }], 'uses the network of owner, which is exited'],
    [
      'which started anew since, on a new network',
      [{ ...owner, startedAt: 2_001 }],
      'is cut off: expected web-1 to be restarted',
    ],
    ['which is a circle', [{ ...owner, networkMode: 'container:owner', startedAt: 1 }], 'not known to run'],
  ])('%s: a problem, and no address is guessed', (_title, others, message) => {
    const { at, problems } = reached(sharing, {}, others);
    expect(at).toEqual({});
    expect(problems).toEqual([expect.stringContaining(message)]);
  });

  test('whose networks have to be known is told', () => {
    expect(networkOwnersOf([container(), container(sharing)])).toEqual(new Set(['owner']));
  });
});

/** `0.0.0.0:8080->80/tcp` */
function bindings(...texts: readonly string[]): PublishedPort[] {
  return texts.map((text) => {
    const [, hostIp = '', hostPort, port, protocol] = /^(.*):(\d+)->(\d+)\/(tcp|udp)$/.exec(text) ?? [];
    return { hostIp, hostPort: Number(hostPort), port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
  });
}

describe('published', () => {
  const v4 = '192.0.2.11';
  const v6 = '2001:db8::11';
  const nowhere = {};

  test.each<[string, readonly string[], HostAddresses, object]>([
    [
      'on all addresses, as dockerd tells both families',
      ['0.0.0.0:8080->80/tcp', ':::8080->80/tcp'],
      HOST,
      { ipv4: v4, ipv6: v6, tcp: 8080 },
    ],
    ['on all addresses, as an empty address tells it', [':8080->80/tcp'], HOST, { ipv4: v4, ipv6: v6, tcp: 8080 }],
    [
      'on all addresses of a host without IPv6',
      ['0.0.0.0:8080->80/tcp', ':::8080->80/tcp'],
      { ipv4: { value: v4, from: '' } },
      { ipv4: v4, tcp: 8080 },
    ],
    [
      'on all addresses of a host without IPv4',
      ['0.0.0.0:8080->80/tcp', ':::8080->80/tcp'],
      { ipv6: { value: v6, from: '' } },
      { ipv6: v6, tcp: 8080 },
    ],
    ['for IPv4 only', ['0.0.0.0:8080->80/tcp'], HOST, { ipv4: v4, tcp: 8080 }],
    ['for IPv6 only', [':::8080->80/tcp'], HOST, { ipv6: v6, tcp: 8080 }],
    ['on one address of the host', ['198.51.100.5:8080->80/tcp'], HOST, { ipv4: '198.51.100.5', tcp: 8080 }],
    [
      'on one address of a host that knows none',
      ['2001:DB8:0::5:8080->80/tcp'],
      nowhere,
      { ipv6: '2001:db8::5', tcp: 8080 },
    ],
    [
      'on loopback and on an address',
      ['127.0.0.1:80->80/tcp', '198.51.100.5:8080->80/tcp'],
      HOST,
      { ipv4: '198.51.100.5', tcp: 8080 },
    ],
    ['at several ports: the smallest', ['0.0.0.0:9000->80/tcp', '0.0.0.0:8080->80/tcp'], HOST, { ipv4: v4, tcp: 8080 }],
    [
      'at several addresses: the host’s own',
      ['1.2.3.4:80->80/tcp', '0.0.0.0:8080->80/tcp'],
      HOST,
      { ipv4: v4, tcp: 8080 },
    ],
    [
      'at several addresses, none of them its own: the smallest',
      ['10.0.0.10:80->80/tcp', '10.0.0.9:81->80/tcp'],
      HOST,
      { ipv4: '10.0.0.9', tcp: 81 },
    ],
    ['a port that nobody asked for', ['0.0.0.0:80->80/tcp', '0.0.0.0:443->443/tcp'], HOST, { ipv4: v4, tcp: 80 }],
  ])('%s', (_title, ports, hostAddresses, at) => {
    const options = { hostAddresses };
    expect(reached({ labels: PUBLISH, published: bindings(...ports) }, options)).toEqual({ at, problems: [] });
    expect(reached({ labels: PUBLISH, published: bindings(...ports).toReversed() }, options).at).toEqual(at);
  });

  const DNS = { ...PUBLISH, 'clusterf.backend.udp': '53' };

  test('several ports: the address that most of them are open on, and a problem for the others', () => {
    const published = bindings('0.0.0.0:80->80/tcp', '10.0.0.9:81->80/tcp', '10.0.0.9:53->53/udp');
    expect(reached({ labels: DNS, published }, { hostAddresses: HOST })).toEqual({
      at: { ipv4: '10.0.0.9', tcp: 81, udp: 53 },
      problems: [],
    });
    const apart = bindings('10.0.0.9:81->80/tcp', '10.0.0.8:53->53/udp');
    expect(reached({ labels: DNS, published: apart })).toEqual({
      at: { ipv4: '10.0.0.8', udp: 53 },
      problems: [
        'web-1 backend.publish: web: port 80/tcp is published on 10.0.0.9 port 81, but not on 10.0.0.8 like others of the service; expected one address for all',
      ],
    });
  });

  test('other ports for IPv6 than for IPv4: IPv4 counts, since a backend has one port for both', () => {
    const published = bindings('0.0.0.0:32768->80/tcp', ':::32769->80/tcp');
    expect(reached({ labels: PUBLISH, published }, { hostAddresses: HOST })).toEqual({
      at: { ipv4: v4, tcp: 32_768 },
      problems: [
        "web-1 backend.publish: web: the host's ports are 32768/tcp for IPv4 and 32769/tcp for IPv6; expected the same: registered for IPv4 only",
      ],
    });
  });

  test.each<[string, readonly string[], string]>([
    ['not at all', ['0.0.0.0:443->443/tcp'], 'port 80/tcp is not published; expected it to be'],
    ['on loopback only', ['127.0.0.1:8080->80/tcp', '::1:8080->80/tcp'], 'only, which no other machine reaches'],
    ['on a host whose address is not known', ['0.0.0.0:8080->80/tcp'], 'expected --host-address, or a default route'],
  ])('%s: a problem, and the container’s own address is no substitute', (_title, ports, message) => {
    const { at, problems } = reached({ labels: PUBLISH, published: bindings(...ports) });
    expect(at).toEqual({});
    expect(problems).toEqual([expect.stringContaining(message)]);
  });

  test('a label that does not say whether: neither address is registered', () => {
    const labels = { ...LABELS, 'clusterf.backend.publish': 'yes' };
    const { at, problems } = reached({ labels, published: bindings('0.0.0.0:80->80/tcp') }, { hostAddresses: HOST });
    expect(at).toEqual({});
    expect(problems).toEqual(['web-1 clusterf.backend.publish: "yes" is neither yes nor no: expected true or false']);
  });
});
