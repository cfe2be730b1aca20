import { describe, expect, test } from '@jest/globals';
import { readExposition } from '../../ipvs-agent/test/exposition.js';
import { AgentMetrics } from '../src/metrics.js';
import type { AgentStatus } from '../src/status.js';
import { QUIET, STATUS } from './status-fixture.js';

function metrics(status: () => AgentStatus = () => QUIET): AgentMetrics {
  return new AgentMetrics({ command: 'clusterf-docker', version: '1.2.3', status });
}

async function scraped(of: AgentMetrics) {
  return readExposition(await of.text());
}

describe('what the agent does', () => {
  test('is counted from 0 on, so that the first is an increase', async () => {
    const agent = metrics();
    const before = await scraped(agent);
    expect(before.value('clusterf_docker_inspects_total', { outcome: 'failed' })).toBe(0);
    expect(before.value('clusterf_docker_key_changes_total', { kind: 'lost' })).toBe(0);
    expect(before.value('clusterf_docker_event_stream_losses_total')).toBe(0);
    agent.inspect('done', 0.004);
    agent.inspect('failed', 30.5);
    agent.listing('done');
    agent.loss();
    agent.eventToEtcd(0.02);
    const now = await scraped(agent);
    expect(now.value('clusterf_docker_inspects_total', { outcome: 'done' })).toBe(1);
    expect(now.value('clusterf_docker_inspects_total', { outcome: 'failed' })).toBe(1);
    expect(now.value('clusterf_docker_inspect_duration_seconds_bucket', { le: '0.005' })).toBe(1);
    expect(now.value('clusterf_docker_inspect_duration_seconds_bucket', { le: '30' })).toBe(1);
    expect(now.value('clusterf_docker_inspect_duration_seconds_count')).toBe(2);
    expect(now.value('clusterf_docker_listings_total', { outcome: 'done' })).toBe(1);
    expect(now.value('clusterf_docker_event_stream_losses_total')).toBe(1);
    expect(now.value('clusterf_docker_event_to_etcd_seconds_sum')).toBeCloseTo(0.02);
  });

  test('what becomes of the registrations', async () => {
    const agent = metrics();
    agent.registration({ type: 'lease granted', leaseId: '1', ttl: 10 });
    agent.registration({ type: 'put key', key: 'a', value: 'b' });
    agent.registration({ type: 'put key', key: 'a', value: 'c' });
    agent.registration({ type: 'removed key', key: 'a' });
    agent.registration({ type: 'lost key', key: 'a' });
    agent.registration({ type: 'lease lost', leaseId: '1', error: new Error('gone') });
    agent.registration({ type: 'failed', error: new Error('refused') });
    const now = await scraped(agent);
    const changes = ['put', 'removed', 'lost'].map((kind) => now.value('clusterf_docker_key_changes_total', { kind }));
    expect(changes).toEqual([2, 1, 1]);
    expect(now.value('clusterf_docker_leases_lost_total')).toBe(1);
    expect(now.value('clusterf_docker_etcd_failures_total')).toBe(1);
  });

  test('of an event’s action only what Docker was asked for is shown: others carry whole command lines', async () => {
    const agent = metrics();
    agent.event('container', 'health_status: healthy');
    agent.event('container', 'health_status: unhealthy');
    agent.event('container', 'exec_start: mysql --password=secret');
    agent.event('network', 'connect');
    const now = await scraped(agent);
    const events = now.samples.filter(({ name }) => name === 'clusterf_docker_events_total');
    expect(events.map(({ labels, value }) => [labels['type'], labels['action'], value])).toEqual([
      ['container', 'health_status', 2],
      ['container', 'other', 1],
      ['network', 'connect', 1],
    ]);
  });
});

describe('what the agent is like', () => {
  test('is read from its status at every scrape', async () => {
    let status = QUIET;
    const agent = metrics(() => status);
    const before = await scraped(agent);
    const gauges = ['ready', 'docker_up', 'docker_lease', 'docker_settled', 'docker_etcd_up', 'docker_routes'];
    expect(gauges.map((name) => before.value(`clusterf_${name}`))).toEqual([0, 0, 0, 0, 0, 0]);
    expect(before.value('clusterf_problems', { source: 'docker' })).toBe(0);
    expect(before.value('clusterf_docker_last_listing_timestamp_seconds')).toBe(0);

    status = STATUS;
    const now = await scraped(agent);
    expect(gauges.map((name) => now.value(`clusterf_${name}`))).toEqual([1, 1, 1, 1, 1, 3]);
    expect(now.value('clusterf_problems', { source: 'docker' })).toBe(2);
    expect(now.value('clusterf_problems', { source: 'http' })).toBe(1);
    expect(now.value('clusterf_docker_last_listing_timestamp_seconds')).toBe(
      Date.parse('2026-01-01T00:00:10.500Z') / 1000,
    );
    const states = Object.entries(STATUS.containers);
    expect(states.map(([state]) => [state, now.value('clusterf_docker_containers', { state })])).toEqual(states);
    expect(now.value('clusterf_docker_backends', { service: 'web' })).toBe(7);
    expect(now.value('clusterf_docker_backends', { service: 'db "1"' })).toBe(1);
    expect(now.value('clusterf_docker_frontends')).toBe(2);
    expect(now.value('clusterf_docker_frontends_held')).toBe(1);

    status = QUIET;
    const after = await scraped(agent);
    expect(after.value('clusterf_docker_backends', { service: 'web' })).toBeUndefined();
    expect(after.value('clusterf_problems', { source: 'http' })).toBeUndefined();
  });

  test('with which build it is, and its process', async () => {
    const now = await scraped(metrics());
    expect(now.value('clusterf_build_info', { command: 'clusterf-docker', version: '1.2.3' })).toBe(1);
    expect(now.value('process_resident_memory_bytes')).toBeGreaterThan(0);
  });
});
