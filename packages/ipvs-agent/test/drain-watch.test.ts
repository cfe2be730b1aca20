import { describe, expect, test } from '@jest/globals';
import { until } from '../../../test/fixtures/until.js';
import { destinations, started, TREE, WEB } from './running-agent.js';

/** Milliseconds that make a count due. */
const COUNT = 2000;

const HOSTS = {
  'services/web/frontend': WEB,
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080, host: 'docker1' },
  'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080, host: 'docker2' },
};
const DISK = { reason: 'disk', since: '2026-01-01T00:00:00.000Z' };

describe('what is drained', () => {
  test('is told with its reason, when the agent starts too, and when it is over', async () => {
    const { source, agent } = await started({ ...TREE, 'drain/hosts/docker1': DISK, 'drain/balancers/lb1': {} });
    expect(agent.log.lines).toContainEqual({ level: 'info', message: 'drained: host docker1', fields: DISK });
    expect(agent.log.said('drained: balancer lb1')).toBe(1);
    source.change({ 'drain/hosts/docker1': undefined, 'drain/backends/web/a': '' });
    await until('the end of it', () => agent.log.said('no longer drained: host docker1') === 1);
    expect(agent.log.said('drained: backend web/a')).toBe(1);
    expect(agent.agent.status().drained.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'balancer lb1',
      'backend web/a',
    ]);
  });

  test('among other balancers is not this one’s business', async () => {
    const { agent } = await started({ ...TREE, 'drain/balancers/lb2': DISK });
    expect(agent.agent.status().drained).toEqual([]);
    expect(agent.log.said('drained')).toBe(0);
  });

  test('has weight 0, which no brake holds, and its weight again when that is over', async () => {
    const { source, kernel, agent } = await started(HOSTS, { brake: 0 });
    source.change({ 'drain/hosts/docker1': DISK });
    await until('weight 0', () => destinations(kernel).includes('172.17.0.2:8080 0'));
    expect(destinations(kernel)).toContain('172.17.0.3:8080 10');
    expect(agent.agent.status().held).toEqual([]);
    source.change({ 'drain/hosts/docker1': undefined });
    await until('its weight again', () => destinations(kernel).includes('172.17.0.2:8080 10'));
    expect(kernel.asked.filter(({ command }) => command === 'delDestination')).toEqual([]);
  });
});

describe('the connections of what is drained', () => {
  test('are counted until none is left, and not before those that had just come in are sure to count', async () => {
    const { source, kernel, agent } = await started(HOSTS);
    kernel.open.set('172.17.0.2:8080', { active: 0, inactive: 1 });
    kernel.open.set('172.17.0.3:8080', { active: 5, inactive: 0 });
    const drained = () => agent.agent.status().drained;
    source.change({ 'drain/hosts/docker1': DISK });
    await until('the first look', () => agent.counted.length === 1);
    const docker1 = { kind: 'host', name: 'docker1', ...DISK, destinations: 1, shared: 0 };
    expect(drained()).toEqual([docker1]);
    kernel.open.set('172.17.0.2:8080', { active: 1, inactive: 0 });
    await agent.clock.advance(COUNT);
    expect(drained()).toEqual([{ ...docker1, activeConnections: 1 }]);
    kernel.open.delete('172.17.0.2:8080');
    await agent.clock.advance(COUNT);
    expect(drained()).toEqual([{ ...docker1, activeConnections: 0 }]);
    source.change({ 'drain/hosts/docker1': undefined });
    await until('the end of it', () => drained().length === 0);
    const before = agent.counted.length;
    await agent.clock.advance(10 * COUNT);
    expect(agent.counted).toHaveLength(before);
  });

  test('cannot be told from others’ where a destination is shared with backends that go on', async () => {
    const shared = { 'services/web/backends/c': { ipv4: '172.17.0.2', tcp: 8080, host: 'docker2' } };
    const { source, kernel, agent } = await started({ ...HOSTS, ...shared });
    kernel.open.set('172.17.0.2:8080', { active: 3, inactive: 0 });
    const drained = () => agent.agent.status().drained;
    source.change({ 'drain/backends/web/a': '' });
    await until('the first look', () => agent.counted.length === 1);
    await agent.clock.advance(COUNT);
    const a = { kind: 'backend', name: 'web/a', destinations: 1 };
    expect(drained()).toEqual([{ ...a, shared: 1, activeConnections: 0 }]);
    source.change({ 'drain/hosts/docker2': '' });
    await until('weight 0', () => destinations(kernel).includes('172.17.0.2:8080 0'));
    await agent.clock.advance(2 * COUNT);
    expect(drained()).toContainEqual({ ...a, shared: 0, activeConnections: 3 });
    expect(drained()).toContainEqual({
      kind: 'host',
      name: 'docker2',
      destinations: 2,
      shared: 0,
      activeConnections: 3,
    });
  });

  test('are not told while the kernel refuses weight 0', async () => {
    const { source, kernel, agent } = await started(HOSTS);
    kernel.refuse = ({ command }) => (command === 'setDestination' ? 'ENOMEM' : undefined);
    const drained = () => agent.agent.status().drained;
    source.change({ 'drain/hosts/docker1': '' });
    await until('it to be refused', () => agent.agent.status().retrying.length > 0);
    const docker1 = { kind: 'host', name: 'docker1', destinations: 1, shared: 0 };
    await agent.clock.advance(3 * COUNT);
    expect(drained()).toEqual([docker1]);
    kernel.refuse = () => undefined;
    await agent.clock.advance(60_000);
    expect(drained()).toEqual([{ ...docker1, activeConnections: 0 }]);
  });

  test('are not told while they cannot be counted', async () => {
    const { source, kernel, agent } = await started(HOSTS);
    const watch = kernel.watchConnections.bind(kernel);
    kernel.watchConnections = async () => await Promise.reject(new Error('no more sockets'));
    source.change({ 'drain/hosts/docker1': '' });
    await until('it to fail', () => agent.log.said('cannot be counted') > 0);
    await agent.clock.advance(2 * COUNT);
    expect(agent.agent.status().drained).toEqual([{ kind: 'host', name: 'docker1', destinations: 0, shared: 0 }]);
    kernel.watchConnections = watch;
    await agent.clock.advance(2 * COUNT);
    expect(agent.agent.status().drained).toMatchObject([{ activeConnections: 0 }]);
  });
});
