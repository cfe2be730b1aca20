import { describe, expect, test } from '@jest/globals';
import { facts, findings, IPVS, tree, troubles, WEB } from '../site.js';

describe('kernel modules', () => {
  const { kernel } = facts();

  test('ip_vs that is not loaded is to be loaded', () => {
    expect(troubles(facts({ kernel: { ...kernel, ipvs: false, loaded: new Set() } }))).toEqual([
      'fail kernel modules: ip_vs is not loaded\nmodprobe ip_vs && echo ip_vs > /etc/modules-load.d/clusterf.conf',
    ]);
  });

  test('ip_vs that the kernel does not have is to be had with another kernel', () => {
    const [trouble] = troubles(facts({ kernel: { ...kernel, ipvs: false, loaded: new Set(), available: new Set() } }));
    expect(trouble).toMatch(/this kernel \(6\.1\.0\) has no ip_vs\napt-get install linux-image/);
  });

  test('a scheduler that is not there is named with the services that ask for it', () => {
    const [trouble] = troubles(
      facts({ tree: tree({ ...WEB, 'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'mh' } }) }),
    );
    expect(trouble).toMatch(/no scheduler mh \(module ip_vs_mh\), which web asks for/);
    expect(trouble).toMatch(/clusterf set services\/web\/frontend scheduler=wlc/);
  });

  test('where /lib/modules is not to be seen, nothing is said of what may be there', () => {
    expect(troubles(facts({ kernel: { ...kernel, available: undefined } }))).toEqual([]);
  });

  test('dummy is missed only where a device is to be made', () => {
    const without = { ...kernel, available: new Set(['ip_vs', 'ip_vs_rr']) };
    const settings = { ...IPVS, vipInterface: 'clusterf0' };
    expect(troubles(facts({ kernel: without }))).toEqual([]);
    expect(findings(facts({ kernel: without, ipvs: settings }), 'kernel modules')[0]?.found).toMatch(/no module dummy/);
  });
});
