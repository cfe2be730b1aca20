import { describe, expect, test } from '@jest/globals';
import { importIpvsadm } from '../../src/import/ipvsadm.js';

function imported(...lines: readonly string[]) {
  const { entries, remarks } = importIpvsadm(lines.join('\n'), 'rules');
  return {
    entries: Object.fromEntries([...entries].map(([path, text]) => [path, JSON.parse(text)])),
    remarks: remarks.map(({ kind, at, what, why }) => `${kind} ${at} ${what}: ${why}`),
  };
}

describe('rules of ipvsadm -Sn', () => {
  test('become a service with its backends, named after their addresses', () => {
    const { entries, remarks } = imported(
      '-A -t 10.0.0.1:80 -s rr',
      '-a -t 10.0.0.1:80 -r 172.17.0.2:8080 -m -w 10',
      '-a -t 10.0.0.1:80 -r 172.17.0.3:8080 -m -w 0',
    );
    expect(remarks).toEqual([]);
    expect(entries).toEqual({
      'services/tcp-10.0.0.1-80/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr', method: 'masq' },
      'services/tcp-10.0.0.1-80/backends/172.17.0.2-8080': { ipv4: '172.17.0.2', tcp: 8080, weight: 10 },
      'services/tcp-10.0.0.1-80/backends/172.17.0.3-8080': { ipv4: '172.17.0.3', tcp: 8080, weight: 0 },
    });
  });

  test('of IPv6, UDP, SCTP and firewall marks are services of their own', () => {
    const { entries, remarks } = imported(
      '-A -u [2001:db8::1]:53 -s wlc -o',
      '-a -u [2001:db8::1]:53 -r [2001:db8::5]:53 -g -w 1',
      '-A --sctp-service 10.0.0.1:36412 -s wlc',
      '-A -f 5 -s wlc',
      '-a -f 5 -r 172.17.0.2:0 -m -w 1',
      '-A -f 5 -6 -s wlc',
      '-a -f 5 -6 -r [2001:db8::5]:80 -m -w 1',
    );
    expect(remarks).toEqual([]);
    expect(entries).toEqual({
      'services/udp-2001:db8::1-53/frontend': {
        ipv6: '2001:db8::1',
        udp: 53,
        scheduler: 'wlc',
        onePacket: true,
        method: 'droute',
      },
      'services/udp-2001:db8::1-53/backends/2001:db8::5-53': { ipv6: '2001:db8::5', udp: 53, weight: 1 },
      'services/sctp-10.0.0.1-36412/frontend': { ipv4: '10.0.0.1', sctp: 36412, scheduler: 'wlc' },
      'services/fwmark-5/frontend': { fwmark: 5, scheduler: 'wlc', method: 'masq' },
      'services/fwmark-5/backends/172.17.0.2': { ipv4: '172.17.0.2', weight: 1 },
      'services/fwmark-5-ipv6/frontend': { fwmark: 5, scheduler: 'wlc', method: 'masq' },
      'services/fwmark-5-ipv6/backends/2001:db8::5-80': { ipv6: '2001:db8::5', tcp: 80, weight: 1 },
    });
  });

  test('keep their persistence, scheduler flags and thresholds', () => {
    const { entries, remarks } = imported(
      '-A -t 10.0.0.1:80 -s sh -p 300 -M 255.255.255.0 -b sh-port,sh-fallback',
      '-a -t 10.0.0.1:80 -r 172.17.0.2:80 -m -w 1 -x 200 -y 100',
      '-A -t [2001:db8::1]:80 -s rr -p 60 -M 64',
    );
    expect(remarks).toEqual([]);
    expect(entries['services/tcp-10.0.0.1-80/frontend']).toMatchObject({
      schedulerFlags: ['sh-port', 'sh-fallback'],
      persistence: { timeout: 300, netmask: 24 },
    });
    expect(entries['services/tcp-10.0.0.1-80/backends/172.17.0.2-80']).toMatchObject({
      upperThreshold: 200,
      lowerThreshold: 100,
    });
    expect(entries['services/tcp-2001:db8::1-80/frontend']).toMatchObject({
      persistence: { timeout: 60, netmask: 64 },
    });
  });

  test('of sh and mh without flags say so, since the agent would give them some', () => {
    const { entries } = imported('-A -t 10.0.0.1:80 -s mh');
    expect(entries['services/tcp-10.0.0.1-80/frontend']).toMatchObject({ scheduler: 'mh', schedulerFlags: [] });
  });

  test('that a person wrote have ipvsadm’s own defaults', () => {
    const { entries, remarks } = imported(
      '# the shop',
      'ipvsadm --clear',
      'ipvsadm --add-service --tcp-service 10.0.0.1:80 --persistent',
      'ipvsadm --add-server --tcp-service=10.0.0.1:80 --real-server=10.0.0.5',
    );
    expect(remarks).toEqual([]);
    expect(entries).toEqual({
      'services/tcp-10.0.0.1-80/frontend': {
        ipv4: '10.0.0.1',
        tcp: 80,
        scheduler: 'wlc',
        persistence: { timeout: 360 },
        method: 'droute',
      },
      'services/tcp-10.0.0.1-80/backends/10.0.0.5-80': { ipv4: '10.0.0.5', tcp: 80, weight: 1 },
    });
  });

  test('whose servers are reached in different ways say so by routes', () => {
    const { entries, remarks } = imported(
      '-A -t 10.0.0.1:80 -s rr',
      '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -m -w 1',
      '-a -t 10.0.0.1:80 -r 10.0.0.6:80 -m -w 1',
      '-a -t 10.0.0.1:80 -r 10.0.0.7:80 -g -w 1',
      '-A -t 10.0.0.2:80 -s rr',
      '-a -t 10.0.0.2:80 -r 10.1.0.8:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum',
    );
    expect(remarks).toEqual([]);
    expect(entries['services/tcp-10.0.0.1-80/frontend']).toMatchObject({ method: 'masq' });
    expect(entries['routes/10.0.0.7']).toEqual({ Prefix: '10.0.0.7/32', IPVSMethod: 'droute' });
    expect(entries['routes/10.1.0.8']).toEqual({
      Prefix: '10.1.0.8/32',
      IPVSMethod: 'tunnel',
      Tunnel: { type: 'gue', port: 6080, checksum: true },
    });
    expect(Object.keys(entries).filter((path) => path.startsWith('routes/'))).toHaveLength(2);
  });

  test('that reach one server in two ways, one of them by a route, lose the other, and it is said', () => {
    const { entries, remarks } = imported(
      '-A -t 10.0.0.1:80 -s rr',
      '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -m -w 1',
      '-a -t 10.0.0.1:80 -r 10.0.0.6:80 -m -w 1',
      '-a -t 10.0.0.1:80 -r 10.0.0.7:80 -g -w 1',
      '-A -t 10.0.0.2:80 -s rr',
      '-a -t 10.0.0.2:80 -r 10.0.0.7:80 -m -w 1',
    );
    expect(Object.keys(entries)).not.toContain('services/tcp-10.0.0.2-80/backends/10.0.0.7-80');
    expect(remarks).toEqual([
      'lost rules:6 tcp 10.0.0.2:80 -> 10.0.0.7:80: 10.0.0.7 is reached in another way by another service; the tree knows one for each address',
    ]);
  });

  test.each([
    ['-A -t web:80 -s rr', /web.* not an IPv4 or IPv6 address.*ipvsadm -Sn/],
    ['-A -t 10.0.0.1:http -s rr', /the port is "http"/],
    ['-A -t 10.0.0.1:0 -s rr -p 60', /all ports of an address/],
    ['-A -f 9 -s rr', /a firewall mark without servers/],
    ['-A -s rr', /names no virtual service/],
    ['-a -t 10.9.9.9:80 -r 10.0.0.5:80', /no line above adds this virtual service/],
    ['-A -t 10.0.0.1:80 -s rr --bogus', /"--bogus" is not an option/],
    ['-A -t 10.0.0.1:80 -s', /-s needs a value/],
    ['--set 900 120 300', /only rules are read/],
    ['TCP  10.0.0.1:80 rr', /this is a listing; expected rules/],
  ])('%s is left out, and why is said', (line, why) => {
    const { entries, remarks } = imported(line);
    expect(entries).toEqual({});
    expect(remarks).toEqual([expect.stringMatching(why)]);
    expect(remarks[0]).toMatch(/^lost rules:1 /);
  });

  test('with what the tree cannot say keep the rest', () => {
    const { entries, remarks } = imported('-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip');
    expect(entries['services/udp-10.0.0.1-5060/frontend']).toMatchObject({ persistence: { timeout: 60 } });
    expect(remarks).toEqual([expect.stringMatching(/persistence engine sip/)]);
  });

  test('that are there twice count once', () => {
    const { entries, remarks } = imported(
      '-A -t 10.0.0.1:80 -s rr',
      '-A -t 10.0.0.1:80 -s wlc',
      '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -m',
      '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -m',
    );
    expect(entries['services/tcp-10.0.0.1-80/frontend']).toMatchObject({ scheduler: 'rr' });
    expect(remarks).toHaveLength(2);
  });
});
