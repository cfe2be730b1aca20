/** That what is said of a firewall is what becomes of a client’s request. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../../../../test/fixtures/until.js';
import { requireMachine } from '../../../../test/lab/index.js';
import { checkFirewall } from '../../src/doctor/checks/firewall.js';
import { device, facts, network, route, rules, tree } from './site.js';

const run = promisify(execFile);

const PLACES = ['client', 'balancer', 'server'] as const;
type Place = (typeof PLACES)[number];

const children: ChildProcess[] = [];

async function at(place: Place, line: string): Promise<string> {
  return (await run('ip', ['netns', 'exec', `fw-${place}`, 'sh', '-ec', line])).stdout;
}

/** Answers HTTP with a word. */
function serve(place: Place, port: number, word: string): void {
  const script = `require('node:http').createServer((_, answer) => answer.end('${word}')).listen(${port})`;
  children.push(spawn('ip', ['netns', 'exec', `fw-${place}`, process.execPath, '-e', script], { stdio: 'ignore' }));
}

/** What a client hears of the service; undefined = nothing in time. */
async function ask(): Promise<string | undefined> {
  const script =
    "fetch('http://10.0.0.1/', { signal: AbortSignal.timeout(2000) }).then(async (answer) => console.log(await answer.text()), () => {}).finally(() => process.exit())";
  return (await at('client', `${process.execPath} -e "${script}"`)).trim() || undefined;
}

beforeAll(async () => {
  requireMachine();
  for (const place of PLACES) await run('ip', ['netns', 'add', `fw-${place}`]);
  await at(
    'balancer',
    'ip link add b0 type veth peer name c0 netns fw-client; ip link add b1 type veth peer name s0 netns fw-server',
  );
  await at(
    'client',
    'ip link set lo up; ip address add 192.0.2.1/24 dev c0; ip link set c0 up; ip route add default via 192.0.2.10',
  );
  await at(
    'server',
    'ip link set lo up; ip address add 10.1.0.5/16 dev s0; ip link set s0 up; ip route add default via 10.1.0.1',
  );
  await at(
    'balancer',
    `ip link set lo up; ip address add 10.0.0.1/32 dev lo
     ip address add 192.0.2.10/24 dev b0; ip link set b0 up; ip address add 10.1.0.1/16 dev b1; ip link set b1 up
     ip route add default via 192.0.2.1; sysctl -qw net.ipv4.ip_forward=1
     ipvsadm -A -t 10.0.0.1:80 -s rr; ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.5:8080 -m`,
  );
  serve('server', 8080, 'server');
  serve('balancer', 9999, 'somebody else');
  await until('the server answers', async () => (await ask()) === 'server', 60_000);
});
afterAll(async () => {
  for (const child of children) {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const place of PLACES) await run('ip', ['netns', 'delete', `fw-${place}`]);
});

/** What is wrong with the balancer’s rules as they are now. */
async function said() {
  const saved = await at('balancer', 'iptables-save');
  const tracked = (await at('balancer', 'sysctl -n net.ipv4.vs.conntrack')).trim();
  const findings = checkFirewall(
    facts({
      tree: tree({
        'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
        'services/web/backends/a': { ipv4: '10.1.0.5', tcp: 8080 },
      }),
      network: network(
        { interfaces: [device('b0'), device('b1')], routes: [route('0.0.0.0/0', 'b0'), route('10.1.0.0/16', 'b1')] },
        { 'net.ipv4.vs.conntrack': tracked },
      ),
      firewall: { ipv4: { rules: rules(saved), foreign: [] }, ipv6: { rules: undefined, foreign: [] } },
    }),
  );
  return findings.filter(({ severity }) => severity !== 'ok');
}

const STATEFUL = 'iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT';

test.each<[string, string, string | undefined]>([
  ['nothing dropped', 'true', undefined],
  ['FORWARD dropping', 'iptables -P FORWARD DROP', 'FORWARD'],
  [
    'FORWARD dropping but for the server',
    'iptables -P FORWARD DROP; iptables -A FORWARD -s 10.1.0.5 -j ACCEPT',
    undefined,
  ],
  [
    'FORWARD dropping but for a chain that returns',
    'iptables -P FORWARD DROP; iptables -N OWN; iptables -A OWN -i b1 -j RETURN; iptables -A OWN -j ACCEPT; iptables -A FORWARD -j OWN',
    'FORWARD',
  ],
  ['FORWARD dropping but for established connections', STATEFUL, 'FORWARD'],
  ['the same where IPVS is tracked', `${STATEFUL}; sysctl -qw net.ipv4.vs.conntrack=1`, undefined],
  [
    'the same with new connections let through',
    `${STATEFUL}; iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT`,
    'FORWARD',
  ],
  [
    'the same with all that is of none, too',
    `${STATEFUL}; iptables -A FORWARD -m conntrack --ctstate NEW,INVALID -j ACCEPT`,
    undefined,
  ],
  ['what is of no connection dropped', 'iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP', 'FORWARD'],
  ['INPUT dropping', 'iptables -P INPUT DROP', 'INPUT'],
  [
    'INPUT dropping but for the port',
    'iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 80 -j ACCEPT',
    undefined,
  ],
  ['INPUT rejecting the address', 'iptables -A INPUT -d 10.0.0.1 -j REJECT', 'INPUT'],
  [
    'the port published on all addresses',
    'iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 80 -j REDIRECT --to-ports 9999',
    'published ports',
  ],
  [
    'the port published on another address',
    'iptables -t nat -A PREROUTING -d 192.0.2.10 -p tcp --dport 80 -j REDIRECT --to-ports 9999',
    undefined,
  ],
])('%s: a client finds it as it is said, and as it is mended', async (_, line, check) => {
  await at('balancer', line);
  try {
    const troubles = await said();
    expect(troubles.map((finding) => finding.check)).toEqual(check === undefined ? [] : [check]);
    expect(await ask()).toBe(
      check === undefined ? 'server' : check === 'published ports' ? 'somebody else' : undefined,
    );
    const [{ mend = 'true' } = {}] = troubles;
    if (!mend.startsWith('iptables')) return;
    await at('balancer', mend);
    expect(await ask()).toBe('server');
  } finally {
    await at(
      'balancer',
      'iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; iptables -F; iptables -X; iptables -t nat -F; sysctl -qw net.ipv4.vs.conntrack=0',
    );
  }
});
