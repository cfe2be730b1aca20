import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ObservedDestination, ObservedVirtualService, Stats } from '@clusterf/ipvs';
import { projectRoot } from '../../../test/lab/index.js';
import { summarise } from '../src/balancer-status.js';
import { counterLines, readCounters } from '../src/counters.js';
import { AgentMetrics } from '../src/metrics.js';
import type { AgentStatus } from '../src/status.js';
import { readExposition } from './exposition.js';
import { ETCD, STATUS } from './status-fixture.js';

const STATS: Stats = {
  connections: 0n,
  packetsIn: 0n,
  packetsOut: 0n,
  bytesIn: 0n,
  bytesOut: 0n,
  connectionsPerSecond: 0n,
  packetsInPerSecond: 0n,
  packetsOutPerSecond: 0n,
  bytesInPerSecond: 0n,
  bytesOutPerSecond: 0n,
};
const SERVICE: ObservedVirtualService = {
  id: { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 },
  scheduler: 'wlc',
  schedulerFlags: 0,
  onePacket: false,
  stats: STATS,
};
const DESTINATION: ObservedDestination = {
  family: 'ipv4',
  address: '172.17.0.2',
  port: 8080,
  method: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  stats: STATS,
};

/** Every field, as the compiler knows them. */
const STATUS_FIELDS: Readonly<Record<keyof AgentStatus, true>> = {
  version: true,
  machine: true,
  balancer: true,
  pid: true,
  started: true,
  ready: true,
  sources: true,
  problems: true,
  quarantined: true,
  virtualServices: true,
  destinations: true,
  table: true,
  foreign: true,
  held: true,
  draining: true,
  drained: true,
  onlyHost: true,
  retrying: true,
  drift: true,
  lastPass: true,
  virtualAddresses: true,
  syncDaemons: true,
  sysctls: true,
  masquerade: true,
};

let text: string;
beforeAll(async () => {
  const document = await readFile(join(projectRoot(), 'docs', 'metrics.md'), 'utf8');
  [text = ''] = document.split('# Health of a Docker host\n');
});

/** Cells of the tables' rows whose first cell begins so. */
function rows(start: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`| ${start}`))
    .map((line) => line.split('|').slice(1, -1));
}

function quoted(cell = ''): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

async function scraped() {
  const agent = new AgentMetrics({
    command: 'clusterf-ipvs',
    version: '1',
    status: () => STATUS,
    publication: () => ({ source: ETCD, published: true }),
  });
  const kernel = { services: async () => [SERVICE], destinations: async () => [DESTINATION] };
  return readExposition([await agent.text(), ...counterLines(await readCounters(kernel, new Map()))].join(''));
}

describe('docs/metrics.md', () => {
  test('has every metric of a scrape, and no other', async () => {
    const { types } = await scraped();
    const ours = [...types.keys()].filter((name) => !/^(process|nodejs)_/.test(name));
    const documented = rows('`clusterf_').flatMap(([first]) => quoted(first));
    expect(documented.toSorted()).toEqual(ours.toSorted());
  });

  test('has the labels of each', async () => {
    const { samples } = await scraped();
    for (const [metrics, labels, meaning] of rows('`clusterf_')) {
      for (const metric of quoted(metrics)) {
        const sample = samples.find(({ name }) => name === metric || name === `${metric}_bucket`);
        const found = Object.keys(sample?.labels ?? {}).filter((label) => label !== 'le');
        const kernels = [
          'service',
          'virtual_service',
          ...(metric.includes('_service_') ? [] : ['backend', 'destination']),
        ];
        const expected = meaning === undefined ? kernels : quoted(labels);
        expect([metric, ...found]).toEqual([metric, ...expected]);
      }
    }
  });

  test('has every value that a label can have', async () => {
    const { samples } = await scraped();
    const values = samples
      .filter(({ name }) => name.startsWith('clusterf_'))
      .flatMap(({ labels }) => [labels['kind'], labels['outcome'], labels['reason']])
      .filter((value) => value !== undefined);
    const documented = new Set(rows('`clusterf_').flatMap((cells) => quoted(cells.at(-1))));
    expect([...new Set(values)].filter((value) => !documented.has(value))).toEqual([]);
    expect(values).toContain('brake');
  });

  test('has every field of /status', () => {
    const documented = new Set(rows('`').flatMap(([first]) => quoted(first)));
    for (const field of Object.keys(STATUS_FIELDS)) expect(documented).toContain(field);
  });

  test('shows the summary in etcd with the fields that it has', () => {
    const [, json = ''] = /```json\n(.+)\n```/.exec(text) ?? [];
    expect(Object.keys(JSON.parse(json))).toEqual(Object.keys(summarise(STATUS, ETCD)));
  });
});
