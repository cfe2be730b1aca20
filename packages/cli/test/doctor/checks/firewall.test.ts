import { describe, expect, test } from '@jest/globals';
import { facts, findings, network, rules, troubles } from '../site.js';

const given = (text: string, settings: Readonly<Record<string, string>> = {}) =>
  facts({
    firewall: { ipv4: { rules: rules(text), foreign: [] }, ipv6: { rules: undefined, foreign: [] } },
    network: network({}, settings),
  });

const filter = (...lines: readonly string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`;

function letting(state: string): string {
  return filter(':FORWARD DROP [0:0]', `-A FORWARD -m conntrack --ctstate ${state} -j ACCEPT`);
}

describe('the firewall', () => {
  test('that drops answers by policy is told, with what lets them pass', () => {
    expect(troubles(given(filter(':INPUT ACCEPT [0:0]', ':FORWARD DROP [0:0]')))).toEqual([
      'fail FORWARD: policy DROP of FORWARD (filter) drops answers of 10.1.0.5:8080 (eth1)\n' +
        'iptables -I FORWARD -s 10.1.0.5/32 -j ACCEPT',
    ]);
  });

  test('beside Docker’s rules is opened where Docker leaves it to others', () => {
    const rulesOfDocker = filter(':FORWARD DROP [0:0]', ':DOCKER-USER - [0:0]', '-A FORWARD -j DOCKER-USER');
    expect(troubles(given(rulesOfDocker))[0]).toMatch(/\niptables -I DOCKER-USER -s 10\.1\.0\.5\/32 -j ACCEPT$/);
    expect(
      troubles(
        given(
          filter(
            ':FORWARD DROP [0:0]',
            ':DOCKER-USER - [0:0]',
            '-A FORWARD -j DOCKER-USER',
            '-A DOCKER-USER -s 10.1.0.5/32 -j ACCEPT',
          ),
        ),
      ),
    ).toEqual([]);
  });

  test('that knows established connections lets answers pass only where IPVS is tracked', () => {
    const stateful = filter(':FORWARD DROP [0:0]', '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT');
    expect(findings(given(stateful), 'FORWARD')[0]?.severity).toBe('fail');
    expect(findings(given(stateful, { 'net.ipv4.vs.conntrack': '1' }), 'FORWARD')[0]?.severity).toBe('ok');
  });

  test('that takes answers for the beginning of a connection has to let that pass, and what is of none', () => {
    expect(findings(given(letting('NEW')), 'FORWARD')[0]?.severity).toBe('fail');
    expect(findings(given(letting('INVALID')), 'FORWARD')[0]?.severity).toBe('fail');
    expect(findings(given(letting('INVALID,NEW')), 'FORWARD')[0]?.severity).toBe('ok');
  });

  test('that keeps clients out is told', () => {
    expect(troubles(given(filter(':INPUT DROP [0:0]', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT')))).toEqual([
      'fail INPUT: policy DROP of INPUT (filter) drops packets to tcp 10.0.0.1:80\n' +
        'iptables -I INPUT -d 10.0.0.1/32 -p tcp --dport 80 -j ACCEPT',
    ]);
  });

  test('that depends on who asks is told as such', () => {
    expect(findings(given(filter(':INPUT DROP [0:0]', '-A INPUT -s 10.9.0.0/16 -j ACCEPT')), 'INPUT')).toEqual([
      expect.objectContaining({
        severity: 'warn',
        found: expect.stringMatching(/depends on more .*-s 10\.9\.0\.0\/16/),
      }),
    ]);
  });

  test('of Docker that publishes the same port on all addresses takes the service away', () => {
    const nat =
      '*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n';
    expect(findings(given(nat), 'published ports')).toEqual([
      expect.objectContaining({ severity: 'fail', found: expect.stringMatching(/^tcp 10\.0\.0\.1:80 goes elsewhere/) }),
    ]);
  });

  test('of nftables that drops by policy is told, since its rules are not read', () => {
    const foreign = [{ table: 'inet filter', chain: 'forward', hook: 'forward' }];
    const told = troubles(
      facts({ firewall: { ipv4: { rules: undefined, foreign }, ipv6: { rules: undefined, foreign: [] } } }),
    );
    expect(told).toEqual([
      expect.stringMatching(
        /^warn firewall: nftables: the chain forward of inet filter drops.*\nnft list chain inet filter forward$/,
      ),
    ]);
  });

  test('that cannot be read is told', () => {
    const unread = { rules: { ok: false, message: 'Permission denied' }, foreign: [] } as const;
    expect(troubles(facts({ firewall: { ipv4: unread, ipv6: { rules: undefined, foreign: [] } } }))[0]).toMatch(
      /cannot be read: Permission denied/,
    );
  });
});
