import type { AgentStatus } from '../src/status.js';

/** An agent that has a little of everything. */
export const STATUS: AgentStatus = {
  version: '1.2.3',
  host: 'host1',
  machine: 'machine1',
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  ready: true,
  docker: {
    endpoint: 'unix:///var/run/docker.sock',
    state: 'current',
    since: '2026-01-01T00:00:01.000Z',
    lastListing: '2026-01-01T00:00:10.500Z',
  },
  tree: { url: 'etcd:', lease: '1', claimed: true, settled: true },
  problems: [
    { source: 'docker', key: 'web-1 clusterf.backend.tcp', message: 'no port' },
    { source: 'docker', key: 'web-2 clusterf.backend.tcp', message: 'no port' },
    { source: 'http', key: '127.0.0.1:9781', message: 'in use' },
  ],
  containers: { young: 1, paused: 2, draining: 3, starting: 4, unhealthy: 5, running: 6 },
  services: [
    { service: 'web', backends: 7 },
    { service: 'db "1"', backends: 1 },
  ],
  frontends: { wanted: 2, held: 1 },
  routes: 3,
};

/** One that has only just begun. */
export const QUIET: AgentStatus = {
  ...STATUS,
  ready: false,
  docker: { endpoint: 'unix:///var/run/docker.sock', state: 'unread', since: '2026-01-01T00:00:00.000Z' },
  tree: { url: 'etcd:', claimed: false, settled: false, error: 'refused' },
  problems: [],
  containers: { young: 0, paused: 0, draining: 0, starting: 0, unhealthy: 0, running: 0 },
  services: [],
  frontends: { wanted: 0, held: 0 },
  routes: 0,
};
