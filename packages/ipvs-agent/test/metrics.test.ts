import { describe, expect, test } from '@jest/globals';
import { AgentMetrics, type AgentMetricsOptions, type MeasuredStatus } from '../src/metrics.js';
import { readExposition } from './exposition.js';
import { ETCD, FILE, STATUS } from './status-fixture.js';

const QUIET: MeasuredStatus = {
  ready: false,
  sources: [{ url: ETCD, state: 'unread', since: '2026-01-01T00:00:00.000Z', entries: 0, digest: '0' }],
  problems: [],
  quarantined: [],
  virtualServices: 0,
  destinations: 0,
  foreign: [],
  held: [],
  draining: [],
  drained: [],
  retrying: [],
  masquerade: { networks: [], families: {}, hairpinPorts: [], drift: 0 },
  lastPass: undefined,
};

function metrics(options: Partial<AgentMetricsOptions> = {}): AgentMetrics {
  return new AgentMetrics({ command: 'clusterf-ipvs', version: '1.2.3', status: () => QUIET, ...options });
}

async function scraped(of: AgentMetrics) {
  return readExposition(await of.text());
}

describe('what the agent does', () => {
  test('operations and passes are counted from 0 on, so that the first is an increase', async () => {
    const agent = metrics();
    expect(
      (await scraped(agent)).value('clusterf_ipvs_operations_total', { kind: 'delService', outcome: 'refused' }),
    ).toBe(0);
    agent.operation('newDestination', 'done');
    agent.operation('newDestination', 'done');
    agent.operation('newDestination', 'refused');
    agent.pass({ reason: 'resync', duration: 0.1 }, 'done');
    agent.pass({ reason: 'retry', duration: 0.1 }, 'failed');
    agent.drift('removed');
    const now = await scraped(agent);
    expect(now.value('clusterf_ipvs_operations_total', { kind: 'newDestination', outcome: 'done' })).toBe(2);
    expect(now.value('clusterf_ipvs_operations_total', { kind: 'newDestination', outcome: 'refused' })).toBe(1);
    expect(now.value('clusterf_ipvs_passes_total', { reason: 'resync', outcome: 'done' })).toBe(1);
    expect(now.value('clusterf_ipvs_passes_total', { reason: 'retry', outcome: 'failed' })).toBe(1);
    expect(now.value('clusterf_ipvs_passes_total', { reason: 'trigger', outcome: 'refused' })).toBe(0);
    expect(now.value('clusterf_ipvs_drift_total', { kind: 'removed' })).toBe(1);
  });

  test('durations fall into buckets from 1 ms to 30 s', async () => {
    const agent = metrics();
    agent.eventToKernel(0.0009);
    agent.eventToKernel(29);
    agent.eventToKernel(31);
    agent.pass({ reason: 'trigger', duration: 0.004 }, 'done');
    const now = await scraped(agent);
    const upTo = (le: string) => now.value('clusterf_ipvs_event_to_kernel_seconds_bucket', { le });
    expect(['0.001', '10', '30', '+Inf'].map(upTo)).toEqual([1, 1, 2, 3]);
    expect(now.value('clusterf_ipvs_event_to_kernel_seconds_sum')).toBeCloseTo(60.0009);
    expect(now.value('clusterf_ipvs_pass_duration_seconds_bucket', { le: '0.005' })).toBe(1);
    expect(now.value('clusterf_ipvs_pass_duration_seconds_count')).toBe(1);
  });
});

describe('what the agent is like', () => {
  test('is read from its status at every scrape', async () => {
    let status: MeasuredStatus = QUIET;
    const agent = metrics({ status: () => status });
    const before = await scraped(agent);
    expect(before.value('clusterf_ready')).toBe(0);
    expect(before.value('clusterf_source_up', { source: ETCD })).toBe(0);
    expect(before.value('clusterf_problems', { source: ETCD })).toBe(0);
    expect(before.value('clusterf_ipvs_last_pass_timestamp_seconds')).toBe(0);

    status = STATUS;
    const now = await scraped(agent);
    expect(now.value('clusterf_ready')).toBe(1);
    expect(now.value('clusterf_source_up', { source: ETCD })).toBe(1);
    expect(now.value('clusterf_source_up', { source: FILE })).toBe(0);
    expect(now.value('clusterf_source_entries', { source: ETCD })).toBe(7);
    expect(now.value('clusterf_problems', { source: ETCD })).toBe(2);
    expect(now.value('clusterf_problems', { source: 'kernel' })).toBe(1);
    expect(now.value('clusterf_problems', { source: FILE })).toBe(0);
    expect(now.value('clusterf_quarantined_entries', { source: ETCD })).toBe(1);
    expect(now.value('clusterf_ipvs_virtual_services')).toBe(3);
    expect(now.value('clusterf_ipvs_destinations')).toBe(12);
    expect(now.value('clusterf_ipvs_foreign_virtual_services')).toBe(1);
    expect(now.value('clusterf_ipvs_draining_destinations')).toBe(2);
    expect(now.value('clusterf_ipvs_retrying_virtual_services')).toBe(1);
    expect(now.value('clusterf_ipvs_last_pass_timestamp_seconds')).toBe(Date.parse('2026-01-01T00:00:10.500Z') / 1000);

    status = QUIET;
    const after = await scraped(agent);
    expect(after.value('clusterf_problems', { source: 'kernel' })).toBeUndefined();
    expect(after.value('clusterf_source_up', { source: FILE })).toBeUndefined();
  });

  test('the brake that holds, and what it and other reasons hold', async () => {
    let status: MeasuredStatus = STATUS;
    const agent = metrics({ status: () => status });
    const now = await scraped(agent);
    expect(now.value('clusterf_ipvs_brake_holding')).toBe(1);
    expect(now.value('clusterf_ipvs_held_destinations', { reason: 'brake' })).toBe(6);
    expect(now.value('clusterf_ipvs_held_destinations', { reason: 'unreadable entries' })).toBe(1);
    expect(now.value('clusterf_ipvs_held_destinations', { reason: 'nothing published' })).toBe(0);
    status = QUIET;
    const after = await scraped(agent);
    expect(after.value('clusterf_ipvs_brake_holding')).toBe(0);
    expect(after.value('clusterf_ipvs_held_destinations', { reason: 'brake' })).toBe(0);
  });

  test('what is drained, by name', async () => {
    let status: MeasuredStatus = STATUS;
    const agent = metrics({ status: () => status });
    const now = await scraped(agent);
    expect(now.value('clusterf_ipvs_drained', { kind: 'host', name: 'docker1' })).toBe(1);
    expect(now.value('clusterf_ipvs_drained', { kind: 'backend', name: 'web/a' })).toBe(1);
    expect(now.value('clusterf_ipvs_drained', { kind: 'balancer', name: 'lb1' })).toBe(1);
    status = QUIET;
    const after = await scraped(agent);
    expect(after.value('clusterf_ipvs_drained', { kind: 'host', name: 'docker1' })).toBeUndefined();
  });

  test('whether its own status is in etcd, where there is one', async () => {
    let published: boolean | undefined;
    const agent = metrics({ publication: () => (published === undefined ? undefined : { source: ETCD, published }) });
    const value = async () => (await scraped(agent)).value('clusterf_ipvs_status_published');
    expect(await value()).toBeUndefined();
    published = false;
    expect(await value()).toBe(0);
    published = true;
    expect(await value()).toBe(1);
  });
});

test('every registry is its own, with its process and its build', async () => {
  const [one, other] = [metrics(), metrics({ version: '1.2.4' })];
  one.drift('added');
  const [mine, theirs] = [await scraped(one), await scraped(other)];
  expect(mine.value('clusterf_build_info')).toBe(1);
  expect(theirs.samples).toContainEqual({
    name: 'clusterf_build_info',
    labels: { command: 'clusterf-ipvs', version: '1.2.4' },
    value: 1,
  });
  expect(theirs.value('clusterf_ipvs_drift_total', { kind: 'added' })).toBe(0);
  expect(mine.value('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
});

test('a source with quotes and backslashes in its name is still one label', async () => {
  const url = 'file:///etc/"quoted"\\clusterf';
  const sources = [{ url, state: 'current', since: '2026-01-01T00:00:00.000Z', entries: 1, digest: '1' }] as const;
  const agent = metrics({ status: () => ({ ...QUIET, sources }) });
  expect((await scraped(agent)).value('clusterf_source_up', { source: url })).toBe(1);
});
