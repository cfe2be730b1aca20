import { describe, expect, test } from '@jest/globals';
import { importKeepalived } from '../../src/import/keepalived.js';

const MAIN = '/etc/keepalived/keepalived.conf';

/** @param files others, by path */
async function imported(text: string, files: Readonly<Record<string, string>> = {}, configId = 'lb1') {
  const { entries, remarks } = await importKeepalived(text, {
    path: MAIN,
    configId,
    files: {
      read: async (path) => files[path] ?? Promise.reject(new Error(`no ${path}`)),
      list: async (directory) => [
        ...new Set(
          Object.keys(files)
            .filter((path) => path.startsWith(`${directory.replace(/\/$/, '')}/`))
            .map((path) => path.slice(directory.replace(/\/$/, '').length + 1).split('/')[0] ?? ''),
        ),
      ],
    },
  });
  return {
    entries: Object.fromEntries([...entries].map(([path, json]) => [path, JSON.parse(json)])),
    paths: [...entries.keys()],
    lost: remarks.filter(({ kind }) => kind === 'lost').map(({ at, what, why }) => `${at} ${what}: ${why}`),
    left: remarks.filter(({ kind }) => kind === 'left').map(({ at, what }) => `${at} ${what}`),
  };
}

describe('a keepalived.conf', () => {
  test('becomes services with their servers; what else it says is told line by line', async () => {
    const { entries, lost, left } = await imported(`
global_defs {
  router_id LVS
  lvs_sync_daemon eth0 VI_1
}
vrrp_instance VI_1 {
  interface eth0
  virtual_ipaddress { 10.0.0.1 }
}
virtual_server 10.0.0.1 80 {
  delay_loop 6
  lb_algo rr            ! as ever
  lb_kind DR
  persistence_timeout 50
  persistence_granularity 255.255.255.0
  protocol TCP
  sorry_server 10.0.0.9 80
  real_server 10.0.0.5 80 {
    weight 3
    uthreshold 200
    lthreshold 100
    HTTP_GET {
      url { path /health }
    }
  }
  real_server 10.0.0.6 80 { # the other
    inhibit_on_failure
  }
}
`);
    expect(entries).toEqual({
      'services/tcp-10.0.0.1-80/frontend': {
        ipv4: '10.0.0.1',
        tcp: 80,
        scheduler: 'rr',
        persistence: { timeout: 50, netmask: 24 },
        method: 'droute',
      },
      'services/tcp-10.0.0.1-80/backends/10.0.0.5-80': {
        ipv4: '10.0.0.5',
        tcp: 80,
        weight: 3,
        upperThreshold: 200,
        lowerThreshold: 100,
      },
      'services/tcp-10.0.0.1-80/backends/10.0.0.6-80': { ipv4: '10.0.0.6', tcp: 80, weight: 1 },
    });
    expect(lost).toEqual([]);
    expect(left).toEqual([
      'keepalived.conf:2 global_defs',
      'keepalived.conf:4 lvs_sync_daemon eth0 VI_1',
      'keepalived.conf:6 vrrp_instance VI_1',
      'keepalived.conf:11 delay_loop',
      'keepalived.conf:17 sorry_server',
      'keepalived.conf:22 HTTP_GET',
      'keepalived.conf:27 inhibit_on_failure',
    ]);
  });

  test('with groups has a service for each address of them', async () => {
    const { paths, lost, left } = await imported(`
virtual_server_group WEB {
  10.0.0.1 80
  10.0.1.254-10.0.2.1 8080
  10.0.3.1-2 80
  10.0.4.0/31 80
  2001:db8::a-b 80
  fwmark 7
}
virtual_server_group UNUSED { 10.9.9.9 80 }
virtual_server group WEB {
  lvs_sched wlc
  protocol TCP
  real_server 10.1.0.5 8080 { }
}
`);
    expect(lost).toEqual([
      expect.stringMatching(/2001:db8::a.*another family/),
      expect.stringMatching(/2001:db8::b.*another family/),
    ]);
    expect(left).toEqual(['keepalived.conf:10 virtual_server_group UNUSED']);
    expect(paths.filter((path) => path.endsWith('/frontend'))).toEqual([
      'services/tcp-10.0.0.1-80/frontend',
      'services/tcp-10.0.1.254-8080/frontend',
      'services/tcp-10.0.1.255-8080/frontend',
      'services/tcp-10.0.2.0-8080/frontend',
      'services/tcp-10.0.2.1-8080/frontend',
      'services/tcp-10.0.3.1-80/frontend',
      'services/tcp-10.0.3.2-80/frontend',
      'services/tcp-10.0.4.0-80/frontend',
      'services/tcp-10.0.4.1-80/frontend',
      'services/tcp-2001:db8::a-80/frontend',
      'services/tcp-2001:db8::b-80/frontend',
      'services/fwmark-7/frontend',
    ]);
  });

  test('is read with what it includes, relative to the file that says so', async () => {
    const { paths, lost } = await imported('include conf.d/*.conf\ninclude missing.conf\n', {
      '/etc/keepalived/conf.d/a.conf': 'virtual_server 10.0.0.1 80 {\n  protocol TCP\n  include servers/web\n}\n',
      '/etc/keepalived/conf.d/servers/web': 'real_server 10.1.0.5 80 {\n}\n',
      '/etc/keepalived/conf.d/b.conf':
        'virtual_server 10.0.0.2 80 {\n  protocol TCP\n  real_server 10.1.0.6 80\n  real_server bad 80 {\n  }\n}\n',
      '/etc/keepalived/conf.d/.hidden.conf': 'virtual_server 10.0.0.3 80 {\n}\n',
    });
    expect(paths).toEqual([
      'services/tcp-10.0.0.1-80/frontend',
      'services/tcp-10.0.0.1-80/backends/10.1.0.5-80',
      'services/tcp-10.0.0.2-80/frontend',
      'services/tcp-10.0.0.2-80/backends/10.1.0.6-80',
    ]);
    expect(lost).toEqual([
      'keepalived.conf:2 include missing.conf: there is no such file',
      expect.stringMatching(/^b.conf:4 real_server bad 80: "bad" is not an IPv4/),
    ]);
  });

  test('that includes itself has an end', async () => {
    const { lost } = await imported('include loop', { '/etc/keepalived/loop': 'include loop' });
    expect(lost).toEqual([expect.stringMatching(/^loop:1 include loop: it is the 16th file/)]);
  });

  test('for several machines is read for the one that is named, with its parameters', async () => {
    const text = `
@lb1 $VIP=10.0.0.1
@lb2 $VIP=10.0.0.2
$BASE=10.1.\${NET}
$NET=5
$SERVER= \\
real_server \${BASE}.\${N} 80 { \\
  weight 2 \\
}
virtual_server $VIP 80 {
protocol TCP
@^lb1  lvs_sched rr
$N=7
$SERVER
$N=8
$SERVER
}
`;
    expect((await imported(text)).entries).toEqual({
      'services/tcp-10.0.0.1-80/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'wlc', method: 'masq' },
      'services/tcp-10.0.0.1-80/backends/10.1.5.7-80': { ipv4: '10.1.5.7', tcp: 80, weight: 2 },
      'services/tcp-10.0.0.1-80/backends/10.1.5.8-80': { ipv4: '10.1.5.8', tcp: 80, weight: 2 },
    });
    expect((await imported(text, {}, 'lb2')).entries).toMatchObject({
      'services/tcp-10.0.0.2-80/frontend': { scheduler: 'rr' },
    });
  });

  test('of marks, tunnels, flags and single packets', async () => {
    const { entries, lost } = await imported(`
virtual_server fwmark 9 {
  lvs_sched mh
  mh-port
  mh-fallback
  lvs_method TUN type gue port 6080 csum
  protocol UDP
  ops
  ip_family inet6
  real_server 2001:db8::5 { weight 1 }
}
virtual_server 10.0.0.1 53
{
  protocol UDP
  lvs_sched sh
  ops
  real_server 10.1.0.5 { lvs_method DR }
}
`);
    expect(lost).toEqual([]);
    expect(entries).toEqual({
      'services/fwmark-9-ipv6/frontend': {
        fwmark: 9,
        scheduler: 'mh',
        schedulerFlags: ['mh-port', 'mh-fallback'],
        onePacket: true,
        method: 'tunnel',
      },
      'services/fwmark-9-ipv6/backends/2001:db8::5': { ipv6: '2001:db8::5', weight: 1 },
      'routes/2001:db8::5': {
        Prefix: '2001:db8::5/128',
        IPVSMethod: 'tunnel',
        Tunnel: { type: 'gue', port: 6080, checksum: true },
      },
      'services/udp-10.0.0.1-53/frontend': {
        ipv4: '10.0.0.1',
        udp: 53,
        scheduler: 'sh',
        schedulerFlags: [],
        onePacket: true,
        method: 'droute',
      },
      'services/udp-10.0.0.1-53/backends/10.1.0.5-53': { ipv4: '10.1.0.5', udp: 53, weight: 1 },
    });
  });

  test.each([
    ['virtual_server 10.0.0.300 80 { }', /10\.0\.0\.300/],
    ['virtual_server 10.0.0.1 80 { lb_kind BRIDGE }', /lb_kind BRIDGE: expected NAT, DR or TUN/],
    ['virtual_server 10.0.0.1 80 { protocol ICMP }', /expected TCP, UDP or SCTP/],
    [
      'virtual_server 10.0.0.1 80 { real_server 10.1.0.5 80 { weight heavy } }',
      /weight heavy: expected a whole number/,
    ],
    ['virtual_server group NONE { }', /no virtual_server_group of that name/],
    ['virtual_server 10.0.0.1 80 {', /never closed/],
    ['virtual_server 10.0.0.1 80 { } }', /no block is open/],
    ['virtual_server 10.0.0.1 80 { persistence_engine sip }', /no engines/],
    ['virtual_server 10.0.0.1 { real_server 10.1.0.5 }', /all ports of an address/],
    ['virtual_server_group G {\n10.0.0.0/8 80\n}\nvirtual_server group G { }', /16777216 addresses; expected 1024/],
    ['include {a,b}.conf', /braces/],
  ])('%s is told as lost', async (text, why) => {
    const { lost } = await imported(text);
    expect(lost).toEqual([expect.stringMatching(why)]);
  });

  test('without a protocol is of UDP, as for keepalived, and without a server it is nothing', async () => {
    const { paths, left } = await imported(
      'virtual_server 10.0.0.1 80 { real_server 10.1.0.5 80 }\nvirtual_server 10.0.0.2 80 { }\n',
    );
    expect(paths).toEqual(['services/udp-10.0.0.1-80/frontend', 'services/udp-10.0.0.1-80/backends/10.1.0.5-80']);
    expect(left).toEqual([
      'keepalived.conf:1 virtual_server 10.0.0.1 80',
      'keepalived.conf:2 virtual_server 10.0.0.2 80',
    ]);
  });

  test('with words nobody knows tells them', async () => {
    const { left } = await imported(
      'virtual_server 10.0.0.1 80 {\n  protocol TCP\n  frobnicate 3\n  real_server 10.1.0.5 80\n}\nmagic { }\n',
    );
    expect(left).toEqual(['keepalived.conf:3 frobnicate', 'keepalived.conf:6 magic']);
  });

  test('keeps what is in quotes together, and comments out', async () => {
    const { entries, left } = await imported(
      'virtual_server 10.0.0.1 80 { # one\n  protocol TCP\n  quorum_up "/bin/up #1 { now }" !x\n  real_server "10.1.0.5" 80 { }\n}\n',
    );
    expect(left).toEqual(['keepalived.conf:3 quorum_up']);
    expect(Object.keys(entries)).toContain('services/tcp-10.0.0.1-80/backends/10.1.0.5-80');
  });
});
