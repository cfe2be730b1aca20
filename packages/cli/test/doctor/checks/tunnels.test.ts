import { describe, expect, test } from '@jest/globals';
import { facts, findings, network, tree, WEB } from '../site.js';

const entries = (tunnel: object) => ({
  ...WEB,
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, method: 'tunnel' },
  'routes/all': { IPVSMethod: 'tunnel', Tunnel: tunnel },
});

describe('tunnels from a balancer', () => {
  test.each([
    [{ type: 'ipip' }, 1520],
    [{ type: 'gre' }, 1524],
    [{ type: 'gue', port: 6080 }, 1532],
  ])('need a path that is wider by their header: %j', (tunnel, needed) => {
    const given = facts({ tree: tree(entries(tunnel)) });
    expect(findings(given, 'tunnel MTU')).toEqual([
      expect.objectContaining({
        severity: 'warn',
        mend: expect.stringMatching(`^ip link set dev eth1 mtu ${needed} `),
      }),
    ]);
    const wide = network({
      interfaces: network().interfaces.map((one) => (one.name === 'eth1' ? { ...one, mtu: needed } : one)),
    });
    expect(findings(facts({ tree: tree(entries(tunnel)), network: wide }), 'tunnel MTU')[0]?.severity).toBe('ok');
  });
});
