import type { AgentStatus } from '../src/status.js';

export const ETCD = 'etcd+http://127.0.0.1:2379/clusterf';
export const FILE = 'file:///etc/clusterf';

/** An agent that has a little of everything. */
export const STATUS = {
  version: '1.2.3',
  machine: 'lb1.example',
  pid: 4711,
  started: '2026-01-01T00:00:00.000Z',
  ready: true,
  sources: [
    { url: ETCD, state: 'current', since: '2026-01-01T00:00:01.000Z', entries: 7, digest: '00000000000000a7' },
    { url: FILE, state: 'unavailable', since: '2026-01-01T00:00:01.000Z', entries: 2, digest: '0', error: 'ENOENT' },
  ],
  problems: [
    { source: ETCD, key: 'services/web/frontend', message: 'tcp is 0' },
    { source: ETCD, key: 'services/web/backends/a', message: 'ipv4 is "x"' },
    { source: 'kernel', key: 'services/web/frontend', message: 'no such scheduler' },
  ],
  quarantined: [{ source: ETCD, key: 'services/web/backends/a' }],
  virtualServices: 3,
  destinations: 12,
  table: '00000000000000b7',
  foreign: ['tcp 192.0.2.1:80'],
  held: [
    { reason: 'brake', destinations: 6, operations: [], since: '2026-01-01T00:00:02.000Z' },
    { reason: 'unreadable entries', destinations: 1, operations: [], since: '2026-01-01T00:00:02.000Z' },
  ],
  draining: [
    {
      virtualService: 'tcp 10.0.0.1:80',
      destination: '172.17.0.2:80',
      activeConnections: 3,
      until: '2026-01-01T00:01:00.000Z',
    },
    {
      virtualService: 'tcp 10.0.0.1:80',
      destination: '172.17.0.3:80',
      activeConnections: 0,
      until: '2026-01-01T00:01:00.000Z',
    },
  ],
  drained: [
    { kind: 'host', name: 'docker1', reason: 'disk', destinations: 3, shared: 1, activeConnections: 7 },
    { kind: 'backend', name: 'web/a', since: '2026-01-01T00:00:00.000Z', destinations: 1, shared: 0 },
    { kind: 'balancer', name: 'lb1', bound: 2 },
  ],
  onlyHost: undefined,
  virtualAddresses: {
    interface: 'clusterf0',
    bound: ['10.0.0.1', '10.0.0.2'],
    foreign: [],
    elsewhere: [],
    drift: { deleted: 0, down: 0, addresses: 0 },
  },
  retrying: [{ virtualService: 'tcp 10.0.0.2:80', message: 'no such scheduler', until: '2026-01-01T00:00:30.000Z' }],
  masquerade: { networks: ['172.16.0.0/12'], families: { ipv4: true }, hairpinPorts: ['veth1'], drift: 2 },
  lastPass: { at: '2026-01-01T00:00:10.500Z', reason: 'trigger', duration: 0.02, operations: 3, refused: 0 },
} as const satisfies Partial<AgentStatus>;
