import { describe, expect, test } from '@jest/globals';
import { facts, findings, IPVS, network, tree, troubles, WEB } from '../site.js';

describe('kernel settings', () => {
  test('forwarding is missed where something is masqueraded to another machine', () => {
    const off = network({}, { 'net.ipv4.ip_forward': '0' });
    expect(troubles(facts({ network: off }))).toEqual([
      'fail forwarding: net.ipv4.ip_forward is 0, and web is masqueraded\nsysctl -w net.ipv4.ip_forward=1',
    ]);
    const droute = tree({ ...WEB, 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, method: 'droute' } });
    expect(findings(facts({ network: off, tree: droute }), 'forwarding')).toEqual([]);
  });

  test('those of the profile are compared word by word', () => {
    const ipvs = {
      ...IPVS,
      profile: 'edge-sync',
      sysctls: [
        { name: 'net.ipv4.vs.sync_threshold', value: '0 0' },
        { name: 'net.ipv4.vs.sloppy_tcp', value: '1' },
      ],
    };
    const good = network({}, { 'net.ipv4.vs.sync_threshold': '0 0', 'net.ipv4.vs.sloppy_tcp': '1' });
    const bad = network({}, { 'net.ipv4.vs.sync_threshold': '3 50' });
    expect(troubles(facts({ ipvs, network: good }))).toEqual([]);
    expect(troubles(facts({ ipvs, network: bad }))).toEqual([
      'warn kernel settings: net.ipv4.vs.sync_threshold is 3 50; the profile edge-sync wants 0 0\n' +
        'net.ipv4.vs.sloppy_tcp is not there; the profile edge-sync wants 1\n' +
        "sysctl -w net.ipv4.vs.sync_threshold='0 0'\nsysctl -w net.ipv4.vs.sloppy_tcp=1",
    ]);
  });

  test('a table of connections that is nearly full is told', () => {
    const full = { 'net.netfilter.nf_conntrack_count': '900', 'net.netfilter.nf_conntrack_max': '1000' };
    expect(troubles(facts({ network: network({}, full) }))).toEqual([
      'warn connection tracking: 900 of 1000 entries are in use\nsysctl -w net.netfilter.nf_conntrack_max=2000',
    ]);
  });
});
