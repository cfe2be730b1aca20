import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  canonicalVirtualService,
  type Destination,
  type IpvsClient,
  type SyncDaemon,
  type VirtualService,
  type VirtualServiceId,
} from '../src/index.js';
import { emptyKernel, ipvsadm, plain, run, saved, settings } from './support/kernel.js';

let client: IpvsClient;
beforeAll(async () => {
  client = await emptyKernel();
  await run('ip', 'link', 'add', 'ipvstest0', 'type', 'dummy');
  await run('ip', 'address', 'add', '2001:db8:99::1/64', 'dev', 'ipvstest0', 'nodad');
  await run('ip', 'link', 'set', 'ipvstest0', 'up');
});
beforeEach(() => client.flush());
afterAll(async () => {
  client.close();
  await run('ip', 'link', 'delete', 'ipvstest0');
});

const tcp = (address: string, port = 80): VirtualServiceId => ({
  family: address.includes(':') ? 'ipv6' : 'ipv4',
  protocol: 'tcp',
  address,
  port,
});

const to = (address: string, more: Partial<Destination> = {}): Destination => ({
  family: address.includes(':') ? 'ipv6' : 'ipv4',
  address,
  port: 80,
  method: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  ...more,
});

/** A virtual service with destinations, and the lines of `ipvsadm -Sn` that say the same. */
const CASES: readonly [string, VirtualService, Destination[], string[]][] = [
  [
    'the three tunnels with their ports and checksums',
    { id: tcp('10.0.0.1'), ...plain },
    [
      to('192.0.2.1', { method: 'tunnel' }),
      to('192.0.2.2', { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'none' } }),
      to('192.0.2.3', { method: 'tunnel', tunnel: { type: 'gue', port: 6081, checksum: 'checksum' } }),
      to('192.0.2.4', { method: 'tunnel', tunnel: { type: 'gue', port: 6082, checksum: 'remote-checksum' } }),
      to('192.0.2.5', { method: 'tunnel', tunnel: { type: 'gre', port: 0, checksum: 'none' } }),
      to('192.0.2.6', { method: 'tunnel', tunnel: { type: 'gre', port: 0, checksum: 'checksum' } }),
    ],
    [
      '-A -t 10.0.0.1:80 -s wrr',
      '-a -t 10.0.0.1:80 -r 192.0.2.1:80 -i -w 1 --tun-type ipip',
      '-a -t 10.0.0.1:80 -r 192.0.2.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum',
      '-a -t 10.0.0.1:80 -r 192.0.2.3:80 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum',
      '-a -t 10.0.0.1:80 -r 192.0.2.4:80 -i -w 1 --tun-type gue --tun-port 6082 --tun-remcsum',
      '-a -t 10.0.0.1:80 -r 192.0.2.5:80 -i -w 1 --tun-type gre --tun-nocsum',
      '-a -t 10.0.0.1:80 -r 192.0.2.6:80 -i -w 1 --tun-type gre --tun-csum',
    ],
  ],
  [
    'weights from 0 to 65535, masquerading and direct routing',
    { id: tcp('10.0.0.1', 65535), ...plain },
    [to('192.0.2.1', { port: 8080, weight: 0 }), to('192.0.2.2', { method: 'droute', port: 65535, weight: 65535 })],
    [
      '-A -t 10.0.0.1:65535 -s wrr',
      '-a -t 10.0.0.1:65535 -r 192.0.2.1:8080 -m -w 0',
      '-a -t 10.0.0.1:65535 -r 192.0.2.2:65535 -g -w 65535',
    ],
  ],
  [
    'IPv4 persistence by network',
    { id: tcp('10.0.0.2'), ...plain, persistence: { timeout: 300, prefixLength: 24 } },
    [],
    ['-A -t 10.0.0.2:80 -s wrr -p 300 -M 255.255.255.0'],
  ],
  [
    'IPv4 persistence by address',
    { id: tcp('10.0.0.2'), ...plain, persistence: { timeout: 1, prefixLength: 32 } },
    [],
    ['-A -t 10.0.0.2:80 -s wrr -p 1'],
  ],
  [
    'IPv6 persistence by prefix',
    { id: tcp('2001:db8::2'), ...plain, persistence: { timeout: 300, prefixLength: 64 } },
    [to('2001:db8::22', { method: 'droute' })],
    ['-A -t [2001:db8::2]:80 -s wrr -p 300 -M 64', '-a -t [2001:db8::2]:80 -r [2001:db8::22]:80 -g -w 1'],
  ],
  [
    'the sip persistence engine',
    {
      id: { ...tcp('10.0.0.3', 5060), protocol: 'udp' },
      ...plain,
      persistence: { timeout: 60, prefixLength: 32, engine: 'sip' },
    },
    [],
    ['-A -u 10.0.0.3:5060 -s wrr -p 60 --pe sip'],
  ],
  [
    'one-packet scheduling of UDP',
    { id: { ...tcp('10.0.0.4', 53), protocol: 'udp' }, ...plain, onePacket: true },
    [],
    ['-A -u 10.0.0.4:53 -s wrr -o'],
  ],
  ['SCTP', { id: { ...tcp('10.0.0.5'), protocol: 'sctp' }, ...plain }, [], ['-A --sctp-service 10.0.0.5:80 -s wrr']],
  [
    'the flags of source hashing',
    { id: tcp('10.0.0.6'), ...plain, scheduler: 'sh', schedulerFlags: 3 },
    [],
    ['-A -t 10.0.0.6:80 -s sh -b sh-fallback,sh-port'],
  ],
  [
    'the third scheduler flag',
    { id: tcp('10.0.0.6'), ...plain, scheduler: 'rr', schedulerFlags: 4 },
    [],
    ['-A -t 10.0.0.6:80 -s rr -b flag-3'],
  ],
  [
    'an IPv4 firewall mark',
    { id: { family: 'ipv4', fwmark: 5 }, ...plain },
    [to('192.0.2.9', { port: 0, method: 'droute' })],
    ['-A -f 5 -s wrr', '-a -f 5 -r 192.0.2.9:0 -g -w 1'],
  ],
  [
    'an IPv6 firewall mark',
    { id: { family: 'ipv6', fwmark: 0x7fff_ffff }, ...plain },
    [to('2001:db8::9', { port: 0, method: 'droute' })],
    ['-A -f 2147483647 -6 -s wrr', '-a -f 2147483647 -6 -r [2001:db8::9]:0 -g -w 1'],
  ],
  [
    'tunnels from IPv4 to IPv6',
    { id: tcp('10.0.0.7'), ...plain },
    [to('2001:db8::7', { method: 'tunnel' })],
    ['-A -t 10.0.0.7:80 -s wrr', '-a -t 10.0.0.7:80 -r [2001:db8::7]:80 -i -w 1 --tun-type ipip'],
  ],
  [
    'tunnels from IPv6 to IPv4',
    { id: tcp('2001:db8::8'), ...plain },
    [to('192.0.2.8', { method: 'tunnel' })],
    ['-A -t [2001:db8::8]:80 -s wrr', '-a -t [2001:db8::8]:80 -r 192.0.2.8:80 -i -w 1 --tun-type ipip'],
  ],
];

describe.each(CASES)('%s', (_, service, destinations, lines) => {
  const expected = [{ service, destinations }];

  test('written by us are what ipvsadm and we read', async () => {
    await client.newService(service);
    for (const destination of destinations) await client.newDestination(service.id, destination);
    expect(await saved()).toEqual(lines);
    expect(await settings(client)).toEqual(expected);
    expect(await client.service(service.id)).toMatchObject(service);
  });

  test('written by ipvsadm are what we read', async () => {
    for (const line of lines) await ipvsadm(line);
    expect(await settings(client)).toEqual(expected);
  });

  test('set by us on what was otherwise are what ipvsadm and we read', async () => {
    const other = service.scheduler === 'rr' ? 'wlc' : 'rr';
    await client.newService(canonicalVirtualService({ id: service.id, ...plain, scheduler: other, schedulerFlags: 1 }));
    await client.setService(service);
    for (const destination of destinations) {
      const { family, address, port } = destination;
      const crossing = family !== service.id.family;
      await client.newDestination(service.id, to(address, { port, method: crossing ? 'tunnel' : 'droute', weight: 7 }));
      await client.setDestination(service.id, destination);
    }
    expect(await saved()).toEqual(lines);
    expect(await settings(client)).toEqual(expected);
  });
});

test('ipvsadm -R of what ipvsadm -S says of everything together gives us the same table', async () => {
  const commands = new Map(
    CASES.map(([, service, destinations]) => [JSON.stringify(service.id), { service, destinations }]),
  );
  for (const { service, destinations } of commands.values()) {
    await client.newService(service);
    for (const destination of destinations) await client.newDestination(service.id, destination);
  }
  const before = await settings(client);
  expect(before).toHaveLength(commands.size);
  const rules = (await saved()).join('\n');
  await client.flush();
  expect(await client.table()).toEqual([]);
  execFileSync('ipvsadm', ['-R'], { input: `${rules}\n` });
  expect(await settings(client)).toEqual(before);
});

describe('thresholds, which ipvsadm -S leaves out,', () => {
  const id = tcp('10.0.0.1');
  const limited = to('192.0.2.1', { upperThreshold: 0xffff_ffff, lowerThreshold: 10 });

  test('written by us are what ipvsadm and we read', async () => {
    await client.newService({ id, ...plain });
    await client.newDestination(id, { ...limited, upperThreshold: 1000 });
    expect(await ipvsadm('-Ln --thresholds')).toMatch(/192\.0\.2\.1:80 +1000 +10 +0 +0/);
    await client.setDestination(id, limited);
    expect(await client.destinations(id)).toEqual([expect.objectContaining(limited)]);
  });

  test('written by ipvsadm are what we read', async () => {
    await ipvsadm('-A -t 10.0.0.1:80 -s wrr');
    await ipvsadm('-a -t 10.0.0.1:80 -r 192.0.2.1:80 -m -x 1000 -y 10');
    expect(await client.destinations(id)).toEqual([expect.objectContaining({ ...limited, upperThreshold: 1000 })]);
  });
});

test('a firewall mark above 2^31, which ipvsadm takes for negative, comes back as it was set', async () => {
  const id: VirtualServiceId = { family: 'ipv4', fwmark: 0xffff_ffff };
  await client.newService({ id, ...plain });
  expect(await client.service(id)).toMatchObject({ id });
});

test('methods that ipvsadm cannot set, local and bypass, come back as they were set', async () => {
  const id = tcp('10.0.0.1');
  await client.newService({ id, ...plain });
  await client.newDestination(id, to('192.0.2.1', { method: 'local' }));
  await client.newDestination(id, to('192.0.2.2', { method: 'bypass' }));
  expect((await client.destinations(id)).map(({ method }) => method).toSorted()).toEqual(['bypass', 'local']);
});

describe('timeouts', () => {
  test('set by us are what ipvsadm reads, and the other way', async () => {
    await client.setTimeouts({ tcp: 901, tcpFin: 121, udp: 301 });
    expect(await ipvsadm('-L --timeout')).toBe('Timeout (tcp tcpfin udp): 901 121 301\n');
    await ipvsadm('--set 900 120 300');
    expect(await client.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
  });

  test('set to 0 stay as they are', async () => {
    await client.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
    await client.setTimeouts({ tcp: 0, tcpFin: 60, udp: 0 });
    expect(await client.timeouts()).toEqual({ tcp: 900, tcpFin: 60, udp: 300 });
    await client.setTimeouts({ tcp: 0, tcpFin: 120, udp: 0 });
  });
});

describe('a sync daemon', () => {
  test.each<[string, SyncDaemon, string]>([
    [
      'with nothing but the necessary',
      { role: 'master', interface: 'lo', syncId: 7 },
      'master sync daemon (mcast=lo, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)',
    ],
    [
      'with an IPv4 group, port, ttl and length',
      { role: 'backup', interface: 'lo', syncId: 255, maxLength: 1400, group: '239.1.2.3', port: 9000, ttl: 3 },
      'backup sync daemon (mcast=lo, syncid=255, maxlen=1400, group=239.1.2.3, port=9000, ttl=3)',
    ],
    [
      'with an IPv6 group',
      { role: 'master', interface: 'ipvstest0', syncId: 0, maxLength: 1300, group: 'ff02::81', port: 9001, ttl: 4 },
      'master sync daemon (mcast=ipvstest0, syncid=0, maxlen=1300, group=ff02::81, port=9001, ttl=4)',
    ],
  ])('%s runs as asked, and stops', async (_, daemon, line) => {
    await client.newDaemon(daemon);
    try {
      expect((await ipvsadm('-L --daemon')).trim()).toBe(line);
      expect(await client.daemons()).toEqual([expect.objectContaining(daemon)]);
      await expect(client.newDaemon(daemon)).rejects.toMatchObject({ code: 'EEXIST' });
    } finally {
      await client.delDaemon(daemon.role);
    }
    expect(await client.daemons()).toEqual([]);
  });

  test('started by ipvsadm as master and as backup are both seen', async () => {
    await ipvsadm('--start-daemon master --mcast-interface lo --syncid 1');
    await ipvsadm('--start-daemon backup --mcast-interface lo --syncid 2 --mcast-port 8849');
    expect(await client.daemons()).toMatchObject([
      { role: 'master', interface: 'lo', syncId: 1, port: 8848 },
      { role: 'backup', interface: 'lo', syncId: 2, port: 8849 },
    ]);
    await client.batch([
      { command: 'delDaemon', role: 'master' },
      { command: 'delDaemon', role: 'backup' },
    ]);
    expect(await client.daemons()).toEqual([]);
  });
});
