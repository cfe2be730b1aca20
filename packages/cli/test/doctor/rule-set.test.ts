import { describe, expect, test } from '@jest/globals';
import { follow, type Packet, parseRuleSet } from '../../src/doctor/rule-set.js';

/** As Docker 20.10 leaves them, with a container that publishes a port. */
const DOCKER = `
*raw
:PREROUTING ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 192.0.2.11/32 ! -i docker0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.17.0.3:443
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -m comment --comment "a \\"quoted\\" -j DROP" -j RETURN
COMMIT
`;

/** As moby#49518 and moby#49829 show those of Docker 28. */
const DOCKER_28 = `
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 172.18.0.2/32 ! -i br-3cdb1cb92a36 -j DROP
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.18.0.2/32 ! -i br-3cdb1cb92a36 -o br-3cdb1cb92a36 -p tcp -m tcp --dport 1000 -j ACCEPT
-A DOCKER ! -i br-3cdb1cb92a36 -o br-3cdb1cb92a36 -j DROP
-A DOCKER-FORWARD -m set --match-set docker-ext-bridges-v4 dst -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -m set --match-set docker-ext-bridges-v4 dst -j DOCKER
-A DOCKER-FORWARD -i br-3cdb1cb92a36 -j ACCEPT
COMMIT
`;

function verdict(rules: string, chain: string, packet: Packet): string {
  return follow(parseRuleSet(rules), chain, packet).verdict;
}

describe('a packet through a machine’s rules', () => {
  test.each<[string, Packet, string]>([
    ['from a container out', { in: 'docker0', out: 'eth0', source: '172.17.0.2' }, 'accept'],
    ['from another server', { in: 'eth1', out: 'eth0', source: '10.0.0.5', state: 'INVALID' }, 'drop'],
    [
      'to a published port',
      { in: 'eth0', out: 'docker0', destination: '172.17.0.2', protocol: 'tcp', destinationPort: 80, state: 'NEW' },
      'accept',
    ],
    [
      'to another port',
      { in: 'eth0', out: 'docker0', destination: '172.17.0.2', protocol: 'tcp', destinationPort: 81, state: 'NEW' },
      'drop',
    ],
    [
      'of an unknown state',
      { in: 'eth0', out: 'docker0', destination: '172.17.0.2', protocol: 'tcp', destinationPort: 81 },
      'unclear',
    ],
  ])('of Docker 20.10 in FORWARD: %s', (_, packet, expected) => {
    expect(verdict(DOCKER, 'filter FORWARD', packet)).toBe(expected);
  });

  test('is translated where a port is published on all addresses, and nowhere else', () => {
    const packet = { in: 'eth0', protocol: 'tcp', destination: '10.0.0.1', local: true };
    expect(verdict(DOCKER, 'nat PREROUTING', { ...packet, destinationPort: 8080 })).toBe('translate');
    expect(verdict(DOCKER, 'nat PREROUTING', { ...packet, destinationPort: 443 })).toBe('accept');
    expect(verdict(DOCKER, 'nat PREROUTING', { ...packet, destinationPort: 8080, local: false })).toBe('accept');
    expect(verdict(DOCKER, 'nat PREROUTING', { ...packet, destinationPort: 8080, protocol: 'udp' })).toBe('accept');
  });

  test('from outside to a container is dropped by Docker 28 before anything else, from its own network it is not', () => {
    const packet = { destination: '172.18.0.2', protocol: 'tcp', destinationPort: 1000, state: 'NEW' };
    expect(follow(parseRuleSet(DOCKER_28), 'raw PREROUTING', { ...packet, in: 'eth0' })).toEqual({
      verdict: 'drop',
      by: '-A PREROUTING -d 172.18.0.2/32 ! -i br-3cdb1cb92a36 -j DROP',
    });
    expect(verdict(DOCKER_28, 'raw PREROUTING', { ...packet, in: 'br-3cdb1cb92a36' })).toBe('accept');
  });

  test('that only a set knows of is unclear', () => {
    const packet = {
      in: 'eth0',
      out: 'br-3cdb1cb92a36',
      destination: '172.18.0.2',
      protocol: 'tcp',
      destinationPort: 1000,
      state: 'NEW',
    };
    expect(verdict(DOCKER_28, 'filter FORWARD', packet)).toBe('unclear');
  });

  test('meets the policy where no rule decides, and nothing where there is no such chain', () => {
    expect(follow(parseRuleSet(DOCKER), 'filter FORWARD', { in: 'eth1', out: 'eth0', state: 'NEW' })).toEqual({
      verdict: 'drop',
      by: 'policy DROP of FORWARD (filter)',
    });
    expect(verdict('', 'filter FORWARD', {})).toBe('accept');
  });

  test.each<[string, Packet, string]>([
    ['-s 10.0.0.0/8 -j ACCEPT', { source: '10.1.2.3' }, 'accept'],
    ['! -s 10.0.0.0/8 -j ACCEPT', { source: '10.1.2.3' }, 'drop'],
    ['-s 10.0.0.0/8 -j ACCEPT', {}, 'unclear'],
    ['-i eth+ -j ACCEPT', { in: 'eth7' }, 'accept'],
    ['-i eth+ -j ACCEPT', { in: 'wlan0' }, 'drop'],
    ['-p tcp -m multiport --dports 80,8000:8999 -j ACCEPT', { protocol: 'tcp', destinationPort: 8080 }, 'accept'],
    ['-p tcp -m multiport --dports 80,8000:8999 -j ACCEPT', { protocol: 'tcp', destinationPort: 81 }, 'drop'],
    ['-p tcp -m tcp --sport 1024: -j ACCEPT', { protocol: 'tcp', sourcePort: 8080 }, 'accept'],
    ['-m string --string x --algo bm -j ACCEPT', {}, 'unclear'],
    ['-j LOG', {}, 'drop'],
    ['-j RETURN\n-A INPUT -j ACCEPT', {}, 'drop'],
    ['-j REJECT --reject-with icmp-port-unreachable', {}, 'drop'],
    ['-m comment --comment "let -j DROP be" -j ACCEPT', {}, 'accept'],
  ])('by the rule %s', (rule, packet, expected) => {
    expect(verdict(`*filter\n:INPUT DROP [0:0]\n-A INPUT ${rule}\nCOMMIT\n`, 'filter INPUT', packet)).toBe(expected);
  });

  test('in chains that call each other in a circle has an end', () => {
    const rules = '*filter\n:INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -j A\n-A A -j A\nCOMMIT\n';
    expect(verdict(rules, 'filter INPUT', {})).toBe('drop');
  });
});
