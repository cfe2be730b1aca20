import { describe, expect, test } from '@jest/globals';
import type { Facts } from '../../../src/doctor/facts.js';
import { device, facts, findings, network, route, rules, tree, troubles, WEB } from '../site.js';

const docker = { source: 'etcd:', host: 'host1', endpoint: 'unix:///var/run/docker.sock' };

const agents = {
  ipvs: undefined,
  docker: { unit: 'enabled', listen: '127.0.0.1:9781', state: 'running', version: '1.0.0' },
} as const;

const host = (more: Partial<Facts>) =>
  facts({ ipvs: undefined, docker, agents, engine: { version: '28.1.1', liveRestore: true }, ...more });

const containers = tree(
  { ...WEB, 'services/web/backends/a': { ipv4: '172.18.0.2', tcp: 80, host: 'host1' } },
  { otherBalancers: ['lb1'] },
);

const bridged = network({
  interfaces: [...network().interfaces, device('br-web', { bridge: true, addresses: ['172.18.0.1'] })],
  routes: [...network().routes, route('172.18.0.0/16', 'br-web')],
});

const engine = {
  version: '28.1.1',
  liveRestore: true,
  networks: [{ name: 'web', subnets: ['172.18.0.0/16'], options: {} }],
};

const firewall = (text: string): Facts['firewall'] => ({
  ipv4: { rules: rules(text), foreign: [] },
  ipv6: { rules: undefined, foreign: [] },
});

describe('Docker', () => {
  test('that cannot be reached is told with who may', () => {
    expect(troubles(host({ engine: { error: 'connect EACCES /var/run/docker.sock' } }))[0]).toMatch(
      /EACCES.*\nusermod --append --groups docker/,
    );
    expect(troubles(host({ engine: { error: 'connect ENOENT /var/run/docker.sock' } }))[0]).toMatch(
      /\nsystemctl start docker$/,
    );
  });

  test('without live-restore ends all containers when it is upgraded', () => {
    expect(troubles(host({ engine: { version: '28.1.1', liveRestore: false } }))).toEqual([
      expect.stringMatching(/^warn Docker: live-restore is off/),
    ]);
    expect(troubles(host({ engine: { version: '28.1.1', liveRestore: false, swarm: true } }))).toEqual([]);
  });

  test('that is older than what is tested is told', () => {
    expect(troubles(host({ engine: { version: '19.03.15', liveRestore: true } }))).toEqual([
      expect.stringMatching(/Docker 19\.03\.15; 20\.10 and later/),
    ]);
  });

  test('from 28 on drops what other machines send to containers, before any rule of others', () => {
    const raw = firewall(
      '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.18.0.2/32 ! -i br-web -j DROP\nCOMMIT\n',
    );
    const given = host({ tree: containers, network: bridged, engine, firewall: raw });
    expect(findings(given, 'direct routing')).toEqual([
      expect.objectContaining({
        severity: 'fail',
        found: expect.stringMatching(
          /-d 172\.18\.0\.2\/32 ! -i br-web -j DROP drops what balancers send to 172\.18\.0\.2, containers of web/,
        ),
        mend: expect.stringMatching(
          /^docker network create -o com\.docker\.network\.bridge\.gateway_mode_ipv4=nat-unprotected web\n/,
        ),
      }),
    ]);
  });

  test('before 28 drops it by the policy of FORWARD, which a rule lifts', () => {
    const before = firewall('*filter\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT\n');
    const given = host({ tree: containers, network: bridged, engine, firewall: before });
    expect(findings(given, 'direct routing').map(({ mend }) => mend)).toEqual([
      'iptables -I DOCKER-USER -d 172.18.0.0/16 -j ACCEPT',
    ]);
  });

  test('is not in the way of a host that alone balances to its containers', () => {
    const raw = firewall(
      '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.18.0.2/32 ! -i br-web -j DROP\nCOMMIT\n',
    );
    const alone = tree({ ...WEB, 'services/web/backends/a': { ipv4: '172.18.0.2', tcp: 80, host: 'host1' } });
    const given = facts({ docker, engine, tree: alone, network: bridged, firewall: raw });
    expect(findings(given, 'direct routing')).toEqual([]);
  });
});
