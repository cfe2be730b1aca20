import { describe, expect, test } from '@jest/globals';
import { outside, parseAllowedFrontend } from '../src/allowed-frontends.js';
import type { ContainerState } from '../src/container.js';
import type { Labels } from '../src/label-settings.js';
import { registrations } from '../src/registrations.js';
import { container, OPTIONS } from './observer.js';

function allowed(...texts: readonly string[]) {
  return texts.map((text) => parseAllowedFrontend(text)).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
}

const RANGES = ['10.107.0.0/16', 'fd07::/64:80,8000-8999', 'fwmark:100-199'];

function publish(containers: readonly ContainerState[], ranges: readonly string[] = RANGES) {
  const view = { containers, others: [], draining: new Set<string>(), networks: [] };
  const { shared, problems } = registrations(view, { ...OPTIONS, allowFrontend: allowed(...ranges) });
  return { shared: Object.fromEntries(shared), problems: problems.map(({ key, message }) => `${key}: ${message}`) };
}

/** A container of service `web`, or of those named, with these labels after `clusterf.frontend`. */
function asking(labels: Labels, overrides: Partial<ContainerState> = {}, services = 'web'): ContainerState {
  const frontend = Object.entries(labels).map(([name, value]) => [`clusterf.frontend${name}`, value]);
  return container({
    labels: { 'clusterf.service': services, 'clusterf.backend.tcp': '80', ...Object.fromEntries(frontend) },
    ...overrides,
  });
}

describe('labels of a frontend', () => {
  test.each<[string, Labels, object]>([
    ['address and port', { '.ipv4': '10.107.1.1', '.tcp': '80' }, { ipv4: '10.107.1.1', tcp: 80 }],
    [
      'every field there is',
      {
        '.ipv4': '10.107.1.1',
        '.ipv6': 'FD07:0::1',
        '.tcp': '80',
        '.udp': '8000',
        '.sctp': ' 8999 ',
        '.scheduler': 'mh',
        '.schedulerFlags': 'mh-fallback, mh-port',
        '.persistence': '300/24',
        '.onePacket': 'true',
        '.method': 'droute',
      },
      {
        ipv4: '10.107.1.1',
        ipv6: 'fd07::1',
        tcp: 80,
        udp: 8000,
        sctp: 8999,
        scheduler: 'mh',
        schedulerFlags: ['mh-fallback', 'mh-port'],
        persistence: { timeout: 300, netmask: 24 },
        onePacket: true,
        method: 'droute',
      },
    ],
    ['a firewall mark', { '.fwmark': '100' }, { fwmark: 100 }],
    ['a firewall mark of one family', { '.fwmark': '199', '.ipv4': '1.2.3.4' }, { ipv4: '1.2.3.4', fwmark: 199 }],
    [
      'persistence without a mask',
      { '.ipv4': '10.107.1.1', '.tcp': '1', '.persistence': '60' },
      { ipv4: '10.107.1.1', tcp: 1, persistence: { timeout: 60 } },
    ],
    [
      'the service’s own over the general ones, and an empty one takes a general one back',
      { '.ipv4': '10.107.1.1', '.tcp': '1', '.udp': '2', ':web.tcp': '80', ':web.udp': '' },
      { ipv4: '10.107.1.1', tcp: 80 },
    ],
  ])('%s', (_title, labels, frontend) => {
    const { shared, problems } = publish([asking(labels)]);
    expect(problems).toEqual([]);
    expect(JSON.parse(shared['services/web/frontend'] ?? '')).toEqual(frontend);
  });

  test.each<[string, string, string]>([
    ['tcp', 'http', 'tcp is "http"; expected a port, a whole number from 1 to 65535'],
    ['tcp', '0', 'tcp is 0; expected a port'],
    ['ipv6', '10.0.0.1', 'ipv6 "10.0.0.1" is an IPv4 address'],
    ['fwmark', '0x1', 'fwmark is "0x1"; expected a firewall mark'],
    ['scheduler', 'least loaded', 'scheduler is "least loaded"; expected a scheduler such as wlc'],
    ['schedulerFlags', 'fast', 'schedulerFlags.0 is "fast"; expected one of flag-1'],
    ['onePacket', 'yes', 'onePacket is "yes"; expected true or false'],
    ['method', 'nat', 'method is "nat"; expected one of masq, droute, tunnel'],
    ['persistence', '5 min', '"5 min" is not a persistence: expected seconds such as 300'],
    ['persistence', '0', 'persistence.timeout is 0; expected seconds'],
  ])('%s %j is a problem in the tree’s own words, and the other labels go on', (field, value, message) => {
    const { shared, problems } = publish([asking({ '.ipv4': '10.107.1.1', '.udp': '53', [`.${field}`]: value })]);
    expect(shared).toEqual({ 'services/web/frontend': '{"ipv4":"10.107.1.1","udp":53}' });
    expect(problems).toEqual([expect.stringContaining(`web-1 clusterf.frontend.${field}: ${message}`)]);
  });

  test.each<[string, Labels]>([
    ['no port', { '.ipv4': '10.107.1.1' }],
    ['no address', { '.tcp': '80' }],
    ['neither', { '.scheduler': 'rr' }],
  ])('with %s they publish nothing, which is a problem', (_title, labels) => {
    const { shared, problems } = publish([asking(labels)]);
    expect(shared).toEqual({});
    expect(problems).toEqual([expect.stringContaining('web: the frontend publishes nothing: expected an address')]);
  });
});

describe('--allow-frontend', () => {
  test.each<[string, string, Labels]>([
    ['none given', '', { '.ipv4': '10.107.1.1', '.tcp': '80' }],
    ['another address', '10.107.0.0/16', { '.ipv4': '10.108.0.1', '.tcp': '80' }],
    ['another port', '10.107.0.0/16:80,8000-8999', { '.ipv4': '10.107.1.1', '.tcp': '9000' }],
    ['one port of two', '10.107.0.0/16:80', { '.ipv4': '10.107.1.1', '.tcp': '80', '.udp': '53' }],
    ['one family of two', '10.107.0.0/16', { '.ipv4': '10.107.1.1', '.ipv6': 'fd07::1', '.tcp': '80' }],
    ['a mark, though all addresses are allowed', '0.0.0.0/0', { '.fwmark': '100', '.ipv4': '10.107.1.1' }],
    ['another mark', 'fwmark:1-99,101', { '.fwmark': '100' }],
    ['an address, though marks are allowed', 'fwmark:1-4294967295', { '.ipv4': '10.107.1.1', '.tcp': '80' }],
  ])('%s: not published at all, and a problem that says what is allowed', (_title, range, labels) => {
    const { shared, problems } = publish([asking(labels)], range === '' ? [] : [range]);
    expect(shared).toEqual({});
    expect(problems).toEqual([
      expect.stringMatching(/^web-1 frontend: web: the frontend is not published, since .* is outside of what/),
    ]);
    expect(problems[0]).toContain(`--allow-frontend allows: ${range || 'nothing'}`);
  });

  test('names all that is outside', () => {
    expect(outside({ ipv4: '1.2.3.4', ipv6: 'fd07::1', tcp: 80, udp: 53 }, allowed(...RANGES))).toEqual([
      '1.2.3.4:80/tcp',
      '1.2.3.4:53/udp',
      '[fd07::1]:53/udp',
    ]);
  });

  test('the ends of a range are inside, and ranges add up', () => {
    const ranges = allowed('10.107.0.0/30:80-81', '10.107.0.4/32:443');
    expect(outside({ ipv4: '10.107.0.0', tcp: 80, udp: 81 }, ranges)).toEqual([]);
    expect(outside({ ipv4: '10.107.0.3', tcp: 82 }, ranges)).toHaveLength(1);
    expect(outside({ ipv4: '10.107.0.4', tcp: 443 }, ranges)).toEqual([]);
    expect(outside({ ipv4: '10.107.0.4', tcp: 80 }, ranges)).toHaveLength(1);
  });

  test.each(['[2001:db8::]/64:80', '2001:db8::/64:80'])('%s is an IPv6 range with a port', (text) => {
    expect(outside({ ipv6: '2001:db8::1', tcp: 80 }, allowed(text))).toEqual([]);
    expect(outside({ ipv6: '2001:db8::1', tcp: 81 }, allowed(text))).toHaveLength(1);
  });

  test.each([
    '',
    'x',
    '10.107.0.1',
    '10.107.0.0/33',
    '10.107.0.0/16:',
    '10.107.0.0/16:0',
    '10.107.0.0/16:80-79',
    '10.107.0.0/16:65536',
    '10.107.0.0/16:80,',
    '[10.107.0.0/16',
    'fwmark:',
    'fwmark:0',
    'fwmark:4294967296',
  ])('%j is refused', (text) => {
    expect(parseAllowedFrontend(text)).toEqual({ ok: false, message: expect.stringContaining('CIDR[:PORTS]') });
  });
});

describe('several containers', () => {
  const one = { '.ipv4': '10.107.1.1', '.tcp': '80' };
  const two = { '.ipv4': '10.107.1.2', '.tcp': '80' };
  const old = { id: 'z', name: 'old', createdAt: 1 };
  const young = { id: 'a', name: 'young', createdAt: 2 };
  const value = '{"ipv4":"10.107.1.1","tcp":80}';

  test('that ask for the same: published once, for as long as one of them runs', () => {
    const both = [asking(one, old), asking({ '.tcp': '80', ':web.ipv4': '10.107.1.1' }, young)];
    expect(publish(both)).toEqual({ shared: { 'services/web/frontend': value }, problems: [] });
    expect(publish(both.slice(1)).shared).toEqual({ 'services/web/frontend': value });
    expect(publish([]).shared).toEqual({});
    expect(publish([asking(one, { status: 'exited' })]).shared).toEqual({});
  });

  test.each([
    ['as listed', 1],
    ['the other way round', -1],
  ])('that ask for different ones: the one created first has its way (%s)', (_title, order) => {
    const containers = [asking(two, young), asking(one, old)];
    expect(publish(order === 1 ? containers : containers.toReversed())).toEqual({
      shared: { 'services/web/frontend': value },
      problems: [
        `young frontend: web: the frontend is ${value}, which old asks for and was created first; not {"ipv4":"10.107.1.2","tcp":80}`,
      ],
    });
  });

  test('created in the same instant: the smaller id', () => {
    const { shared } = publish([asking(one, { ...old, createdAt: 2 }), asking(two, young)]);
    expect(shared).toEqual({ 'services/web/frontend': '{"ipv4":"10.107.1.2","tcp":80}' });
  });

  test('one that asks for what is not allowed does not stand in the way of another', () => {
    const { shared, problems } = publish([asking({ '.ipv4': '1.2.3.4', '.tcp': '80' }, old), asking(one, young)]);
    expect(shared).toEqual({ 'services/web/frontend': value });
    expect(problems).toHaveLength(1);
  });

  test('one that is no backend, for want of a port, is asking all the same', () => {
    const labels = { 'clusterf.service': 'web', 'clusterf.frontend.ipv4': '10.107.1.1', 'clusterf.frontend.tcp': '80' };
    expect(publish([container({ labels })]).shared).toEqual({ 'services/web/frontend': value });
  });

  test('a paused one, or one that drains, is asking all the same', () => {
    expect(publish([asking(one, { status: 'paused' })]).shared).toEqual({ 'services/web/frontend': value });
  });
});
