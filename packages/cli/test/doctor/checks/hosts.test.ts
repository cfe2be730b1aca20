import { describe, expect, test } from '@jest/globals';
import { device, facts, findings, network, tree, WEB } from '../site.js';

const entries = (method: string, more: object = {}) => ({
  ...WEB,
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 80, host: 'host1' },
  'routes/host1': { Prefix: '172.17.0.0/16', Gateway: '10.1.0.1', IPVSMethod: method, ...more },
});

const quiet = { 'net.ipv4.conf.all.arp_ignore': '1', 'net.ipv4.conf.all.arp_announce': '2' };

const withTunnel = (settings: Readonly<Record<string, string>>) =>
  network({ interfaces: [...network().interfaces, device('tunl0', { arp: false })] }, { ...quiet, ...settings });

/** A Docker host that takes what edges send it by tunnel or direct routing, for its own containers. */
describe('a host behind edge balancers', () => {
  test('needs the tunnel’s device', () => {
    const given = facts({ tree: tree(entries('tunnel')), network: network({}, quiet) });
    expect(findings(given, 'tunnels')).toEqual([
      expect.objectContaining({ severity: 'fail', mend: 'modprobe ipip && ip link set tunl0 up' }),
    ]);
    expect(findings(facts({ tree: tree(entries('tunnel')), network: withTunnel({}) }), 'tunnels')).toEqual([
      { check: 'tunnels', severity: 'ok', found: 'tunl0 up' },
    ]);
  });

  test('needs the port of gue', () => {
    const given = facts({
      tree: tree(entries('tunnel', { Tunnel: { type: 'gue', port: 6080 } })),
      network: withTunnel({}),
    });
    expect(findings(given, 'tunnels').map(({ mend }) => mend)).toEqual(['modprobe fou && ip fou add port 6080 gue']);
  });

  test.each([
    [{ 'net.ipv4.conf.all.rp_filter': '0', 'net.ipv4.conf.tunl0.rp_filter': '0' }, 'ok'],
    [{ 'net.ipv4.conf.all.rp_filter': '1', 'net.ipv4.conf.tunl0.rp_filter': '0' }, 'fail'],
    [{ 'net.ipv4.conf.all.rp_filter': '0', 'net.ipv4.conf.tunl0.rp_filter': '2' }, 'fail'],
  ])('drops what comes out of the tunnel by the stricter of two filters: %j', (settings, severity) => {
    const given = facts({ tree: tree(entries('tunnel')), network: withTunnel(settings) });
    expect(findings(given, 'source filter').map((finding) => finding.severity)).toEqual([severity]);
  });

  test('with strict filters loses what comes in by another way than it would leave', () => {
    const strict = network({}, { ...quiet, 'net.ipv4.conf.eth1.rp_filter': '1' });
    expect(findings(facts({ tree: tree(entries('droute')), network: strict }), 'source filter')).toEqual([
      expect.objectContaining({ severity: 'warn', found: expect.stringMatching(/eth1 is 1.*most clients is eth0/) }),
    ]);
  });

  test('must not answer its neighbours for the virtual address', () => {
    const loud = findings(facts({ tree: tree(entries('droute')) }), 'ARP');
    expect(loud).toEqual([
      expect.objectContaining({
        severity: 'warn',
        found: 'on eth0, eth1 this machine answers for 10.0.0.1',
        mend: 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2',
      }),
    ]);
    expect(findings(facts({ tree: tree(entries('droute')), network: network({}, quiet) }), 'ARP')[0]?.severity).toBe(
      'ok',
    );
  });
});
