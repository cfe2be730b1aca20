/** What stands between the difference and doing it, as seen from the kernel of a running agent. */
import { describe, expect, test } from '@jest/globals';
import { until } from '../../../test/fixtures/until.js';
import { MemoryKernel } from './memory-kernel.js';
import { destinations, HOLD, RunningAgent, type Settings, started, TREE, WEB, WEB_KEY } from './running-agent.js';
import { ScriptedSource } from './scripted-source.js';

const A = '172.17.0.2:8080';
const GONE = { 'services/web/backends/a': undefined };

/** Every backend of the tree, and none of them: a prefix deleted in one stroke. */
const MANY = Object.fromEntries(
  ['a', 'b', 'c', 'd', 'e'].map((name, i) => [
    `services/web/backends/${name}`,
    { ipv4: `172.17.0.${i + 2}`, tcp: 8080 },
  ]),
);
const NONE = Object.fromEntries(Object.keys(MANY).map((key) => [key, undefined]));

/** A braking agent with five destinations, of which something has been asked. */
async function braking(changes: Readonly<Record<string, unknown>>, settings: Settings = {}) {
  const running = await started({ 'services/web/frontend': WEB, ...MANY }, { brake: 0.5, ...settings });
  running.source.change(changes);
  return running;
}

describe('the brake', () => {
  test('holds a prefix that is deleted in one stroke, says so, and obeys when it has been asked for long enough', async () => {
    const { kernel, agent } = await braking({ ...NONE, 'services/web/frontend': undefined });
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    expect(destinations(kernel)).toHaveLength(5);
    expect(agent.agent.status().held).toMatchObject([
      { reason: 'brake', destinations: 5, until: new Date(HOLD).toISOString() },
    ]);
    await agent.clock.advance(HOLD - 1);
    expect(destinations(kernel)).toHaveLength(5);
    await agent.clock.advance(1);
    await until('it to obey', () => kernel.table.size === 0);
    expect(agent.agent.status().held).toEqual([]);
    expect(agent.log.said('no longer held back: brake')).toBe(1);
  });

  test('holds when they vanish one after another: leases that lapse host by host', async () => {
    const { source, kernel, agent } = await started({ 'services/web/frontend': WEB, ...MANY }, { brake: 0.5 });
    for (const [i, name] of ['a', 'b'].entries()) {
      source.change({ [`services/web/backends/${name}`]: undefined });
      await until('it to go', () => destinations(kernel).length === 4 - i);
      await agent.clock.advance(1000);
    }
    source.change({ 'services/web/backends/c': undefined });
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    source.change({ 'services/web/backends/d': undefined });
    await agent.clock.advance(HOLD - 2000);
    expect(destinations(kernel)).toHaveLength(3);
  });

  test('lets those go one by one that leave over a longer time', async () => {
    const { source, kernel, agent } = await started({ 'services/web/frontend': WEB, ...MANY }, { brake: 0.5 });
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) {
      source.change({ [`services/web/backends/${name}`]: undefined });
      await until('it to go', () => destinations(kernel).length === 4 - i);
      await agent.clock.advance(HOLD);
    }
    expect(agent.log.said('the brake holds')).toBe(0);
  });

  test('is not worn out by one that comes and goes', async () => {
    const { source, kernel, agent } = await started({ 'services/web/frontend': WEB, ...MANY }, { brake: 0.5 });
    for (let i = 0; i < 5; i += 1) {
      source.change({ 'services/web/backends/a': undefined });
      await until('it to go', () => destinations(kernel).length === 4);
      source.change({ 'services/web/backends/a': MANY['services/web/backends/a'] });
      await until('it to come', () => destinations(kernel).length === 5);
    }
    expect(agent.log.said('the brake holds')).toBe(0);
  });

  test('holds what is not back yet while others are coming back', async () => {
    const { source, kernel, agent } = await braking(NONE);
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    for (const name of ['a', 'b', 'c']) {
      source.change({ [`services/web/backends/${name}`]: MANY[`services/web/backends/${name}`] });
      await agent.clock.advance(1000);
    }
    expect(destinations(kernel)).toHaveLength(5);
    await agent.clock.advance(HOLD - 3000);
    await until('the others to go', () => destinations(kernel).length === 3);
    expect(kernel.asked.filter(({ command }) => command === 'delDestination')).toHaveLength(2);
  });

  test('lets go what had its weight taken away before: containers that are stopped', async () => {
    const { source, kernel, agent } = await started({ 'services/web/frontend': WEB, ...MANY }, { brake: 0.5 });
    source.change(Object.fromEntries(Object.entries(MANY).map(([key, value]) => [key, { ...value, weight: 0 }])));
    await until('no weight', () => destinations(kernel).every((line) => line.endsWith(' 0')));
    source.change(NONE);
    await until('all to go', () => destinations(kernel).length === 0);
    expect(agent.log.said('the brake holds')).toBe(0);
  });

  test('obeys once for all where virtual services wait for their grace besides', async () => {
    const { kernel, agent } = await braking({ ...NONE, 'services/web/frontend': undefined }, { grace: 500 });
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    await agent.clock.advance(HOLD + 500);
    await until('it to obey', () => kernel.table.size === 0);
    expect(agent.log.said('the brake holds')).toBe(1);
  });

  test('forgets what was a mistake: the prefix is back before its time is up', async () => {
    const { source, kernel, agent } = await braking(NONE);
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    await agent.clock.advance(HOLD - 1);
    source.change(MANY);
    await until('it to let go', () => agent.log.said('no longer held back: brake') > 0);
    source.change(NONE);
    await until('it to brake again', () => agent.log.said('the brake holds') === 2);
    await agent.clock.advance(HOLD - 1);
    expect(destinations(kernel)).toHaveLength(5);
    expect(kernel.asked.filter(({ command }) => command === 'delDestination')).toEqual([]);
  });

  test('lists what it holds once, and then says only how much it is', async () => {
    const { source, agent } = await braking(NONE);
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    source.change({ 'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080 } });
    await until('it to say that it is less', () => agent.log.said('the brake holds') === 2);
    const [first, second] = agent.log.lines.filter(({ message }) => message.startsWith('the brake holds'));
    expect(first?.fields).toMatchObject({
      ops: expect.arrayContaining([expect.stringContaining('remove destination')]),
    });
    expect(Object.keys(second?.fields ?? {})).toEqual(['destinations', 'letGoInSeconds']);
  });

  test('lets pass what is new and what is changed', async () => {
    const { kernel } = await braking({
      ...NONE,
      'services/web/backends/e': { ipv4: '172.17.0.6', tcp: 8080, weight: 3 },
      'services/web/backends/f': { ipv4: '172.17.0.7', tcp: 8080 },
    });
    await until('the new one', () => destinations(kernel).length === 6);
    expect(destinations(kernel)).toContain('172.17.0.6:8080 3');
  });

  test('lets pass what is no more than the share', async () => {
    const { kernel } = await braking({ 'services/web/backends/a': undefined, 'services/web/backends/b': undefined });
    await until('both to go', () => destinations(kernel).length === 3);
    expect(destinations(kernel)).toEqual(['172.17.0.4:8080 10', '172.17.0.5:8080 10', '172.17.0.6:8080 10']);
  });

  test('is off below four destinations', async () => {
    const { source, kernel } = await started(TREE, { brake: 0.5 });
    source.change({ ...GONE, 'services/web/backends/b': undefined });
    await until('both to go', () => destinations(kernel).length === 0);
    expect(kernel.table.has(WEB_KEY)).toBe(true);
  });

  test('counts what another service has, so that one small service may go at once', async () => {
    const small = {
      'services/db/frontend': { ipv4: '10.0.0.2', tcp: 1 },
      'services/db/backends/a': { ipv4: '172.17.1.1', tcp: 1 },
    };
    const { source, kernel } = await started({ 'services/web/frontend': WEB, ...MANY, ...small }, { brake: 0.5 });
    source.change({ 'services/db/frontend': undefined });
    await until('it to go', () => !kernel.table.has('tcp 10.0.0.2:1'));
    expect(destinations(kernel)).toHaveLength(5);
  });

  test('does not count as new what is draining already', async () => {
    const { source, kernel, agent } = await started(
      { 'services/web/frontend': WEB, ...MANY },
      { brake: 0.5, drainTimeout: 60_000 },
    );
    for (const at of ['172.17.0.2:8080', '172.17.0.3:8080']) kernel.open.set(at, { active: 1, inactive: 0 });
    source.change({ 'services/web/backends/a': undefined, 'services/web/backends/b': undefined });
    await until('two to drain', () => agent.agent.status().draining.length === 2);
    await agent.clock.advance(HOLD);
    source.change({ 'services/web/backends/c': undefined });
    await until('one of the other three to go', () => destinations(kernel).length === 4);
    expect(agent.log.said('the brake holds')).toBe(0);
  });

  test('holds after a restart too, when the tree has lost most of it meanwhile', async () => {
    const { kernel, agent: first } = await started({ 'services/web/frontend': WEB, ...MANY });
    await first.stop();
    const source = new ScriptedSource();
    const agent = await RunningAgent.start([source], kernel, { brake: 0.5, owned: [WEB_KEY] });
    source.snapshot({ 'services/web/frontend': WEB });
    await until('it to brake', () => agent.log.said('the brake holds') > 0);
    expect(destinations(kernel)).toHaveLength(5);
  });
});

describe('a removed destination', () => {
  test('has weight 0 first, and is deleted when its last active connection ends', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 2, inactive: 0 });
    source.change(GONE);
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await until('the count', () => agent.agent.status().draining[0]?.activeConnections === 2);
    await agent.clock.advance(5000);
    expect(destinations(kernel)).toContain(`${A} 0`);
    kernel.open.set(A, { active: 0, inactive: 7 });
    await agent.clock.advance(1000);
    await until('it to go', () => destinations(kernel).length === 1);
    expect(agent.agent.status().draining).toEqual([]);
  });

  test('is deleted at its deadline, whatever is still open', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 1, inactive: 0 });
    source.change(GONE);
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await agent.clock.advance(59_999);
    expect(destinations(kernel)).toHaveLength(2);
    await agent.clock.advance(1);
    await until('it to go', () => destinations(kernel).length === 1);
  });

  test('without any connection goes at once', async () => {
    const { source, kernel } = await started(TREE, { drainTimeout: 60_000 });
    source.change(GONE);
    await until('it to go', () => destinations(kernel).length === 1);
    expect(kernel.asked.slice(-2).map(({ command }) => command)).toEqual(['setDestination', 'delDestination']);
  });

  test('is looked at twice while a connection may be about to open', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 0, inactive: 1 });
    source.change(GONE);
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await until('the count', () => agent.agent.status().draining[0]?.activeConnections === 0);
    expect(destinations(kernel)).toHaveLength(2);
    await agent.clock.advance(1000);
    await until('it to go', () => destinations(kernel).length === 1);
  });

  test('that comes back has its weight back, and drains anew when it goes again', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 1, inactive: 0 });
    source.change(GONE);
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await agent.clock.advance(50_000);
    source.change({ 'services/web/backends/a': TREE['services/web/backends/a'] });
    await until('its weight', () => destinations(kernel).includes(`${A} 10`));
    expect(agent.agent.status().draining).toEqual([]);
    expect(kernel.asked.filter(({ command }) => command === 'delDestination')).toEqual([]);
    source.change(GONE);
    await until('weight 0 again', () => destinations(kernel).includes(`${A} 0`));
    await agent.clock.advance(20_000);
    expect(destinations(kernel)).toHaveLength(2);
  });

  test('takes all with it that its virtual service has: the service goes when the last has drained', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 1, inactive: 0 });
    source.change({ 'services/web/frontend': undefined });
    await until('weight 0', () => destinations(kernel).every((line) => line.endsWith(' 0')));
    await agent.clock.advance(2000);
    expect(kernel.table.has(WEB_KEY)).toBe(true);
    kernel.open.delete(A);
    await agent.clock.advance(1000);
    await until('the service to go', () => !kernel.table.has(WEB_KEY));
    expect(kernel.asked.some(({ command }) => command === 'delDestination')).toBe(false);
  });

  test('of UDP goes at once: there are no connections to wait for', async () => {
    const { source, kernel } = await started(
      {
        'services/web/frontend': { ipv4: '10.0.0.1', udp: 53 },
        'services/web/backends/a': { ipv4: '172.17.0.2', udp: 53 },
        'services/web/backends/b': { ipv4: '172.17.0.3', udp: 53 },
      },
      { drainTimeout: 60_000 },
    );
    kernel.open.set('172.17.0.2:53', { active: 0, inactive: 9 });
    source.change(GONE);
    await until('it to go', () => destinations(kernel, 'udp 10.0.0.1:53').length === 1);
    expect(kernel.asked.filter(({ command }) => command === 'setDestination')).toEqual([]);
  });

  test('goes at once with --drain-timeout 0', async () => {
    const { source, kernel } = await started(TREE, { drainTimeout: 0 });
    kernel.open.set(A, { active: 1, inactive: 0 });
    source.change(GONE);
    await until('it to go', () => destinations(kernel).length === 1);
    expect(kernel.asked.filter(({ command }) => command === 'setDestination')).toEqual([]);
  });

  test('goes on draining after a restart, until the deadline it had', async () => {
    const { source, kernel, agent: first } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set(A, { active: 1, inactive: 0 });
    source.change(GONE);
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await first.stop();
    const again = new ScriptedSource();
    const second = await RunningAgent.start([again], kernel, {
      drainTimeout: 60_000,
      owned: [WEB_KEY],
      draining: [{ virtualService: WEB_KEY, destination: A, until: 10_000 }],
    });
    again.snapshot({ ...TREE, ...GONE, 'services/web/backends/a': '' });
    await until('the first pass', () => second.agent.status().draining.length === 1);
    await second.clock.advance(9999);
    expect(destinations(kernel)).toHaveLength(2);
    await second.clock.advance(1);
    await until('it to go', () => destinations(kernel).length === 1);
  });

  test('does not outlive its time because the machine’s clock was set back over a restart', async () => {
    const kernel = new MemoryKernel();
    const { source, agent: first } = await started();
    await first.stop();
    for (const [key, entry] of first.kernel.table) kernel.table.set(key, entry);
    source.change({});
    kernel.open.set(A, { active: 1, inactive: 0 });
    const again = new ScriptedSource();
    const agent = await RunningAgent.start([again], kernel, {
      drainTimeout: 60_000,
      owned: [WEB_KEY],
      draining: [{ virtualService: WEB_KEY, destination: A, until: 1e12 }],
    });
    again.snapshot({ 'services/web/frontend': WEB, 'services/web/backends/b': TREE['services/web/backends/b'] });
    await until('weight 0', () => destinations(kernel).includes(`${A} 0`));
    await agent.clock.advance(60_000);
    await until('it to go', () => destinations(kernel).length === 1);
    expect(destinations(kernel)).toEqual(['172.17.0.3:8080 10']);
  });
});

describe('a virtual service that is to go', () => {
  test('is not touched when its frontend is back within the grace: another host has taken it over', async () => {
    const { source, kernel, agent } = await started(TREE, { grace: 500, drainTimeout: 60_000 });
    const asked = kernel.asked.length;
    source.change({ 'services/web/frontend': undefined });
    await until('the pass', () => agent.agent.status().lastPass?.operations === 0);
    await agent.clock.advance(499);
    source.change({ 'services/web/frontend': WEB });
    await agent.clock.advance(10_000);
    expect(kernel.asked).toHaveLength(asked);
  });

  test('goes when the grace is over', async () => {
    const { source, kernel, agent } = await started(TREE, { grace: 500 });
    source.change({ 'services/web/frontend': undefined });
    await until('the pass', () => agent.agent.status().lastPass?.operations === 0);
    expect(kernel.table.has(WEB_KEY)).toBe(true);
    await agent.clock.advance(500);
    await until('it to be gone', () => !kernel.table.has(WEB_KEY));
    expect(kernel.asked.at(-1)?.command).toBe('delService');
  });
});

describe('a route that cannot be read after a restart', () => {
  const ROUTED = { ...TREE, 'routes/r': { Prefix: '172.17.0.0/16', IPVSMethod: 'droute' } };

  test('changes no destination’s way, adds and removes none beside those there are; weights go on', async () => {
    const { kernel, agent: first } = await started(ROUTED);
    await first.stop();
    const source = new ScriptedSource();
    const agent = await RunningAgent.start([source], kernel, { owned: [WEB_KEY] });
    source.snapshot({
      ...ROUTED,
      'routes/r': '{"Prefix": "172.17.0.0/16", "IPVSMethod": "drout"}',
      'services/web/backends/c': { ipv4: '172.17.0.4', tcp: 8080 },
      'services/db/frontend': { ipv4: '10.0.0.2', tcp: 1 },
      'services/db/backends/a': { ipv4: '172.17.0.5', tcp: 1 },
    });
    await until('a new service', () => destinations(kernel, 'tcp 10.0.0.2:1').length === 1);
    const methods = () => [...(kernel.table.get(WEB_KEY)?.destinations.values() ?? [])].map(({ method }) => method);
    expect(methods()).toEqual(['droute', 'droute']);
    expect(agent.agent.status().held).toMatchObject([{ reason: 'unreadable entries' }]);
    source.change({ 'routes/r': ROUTED['routes/r'] });
    await until('what was held', () => destinations(kernel).length === 3);
    expect(methods()).toEqual(['droute', 'droute', 'droute']);
  });

  test('holds nothing back when it turned up later: it was nothing before', async () => {
    const { source, kernel, agent } = await started(TREE);
    source.change({ 'routes/r': '{"Prefix": 7}', 'services/web/backends/c': { ipv4: '172.17.0.4', tcp: 8080 } });
    await until('the new one', () => destinations(kernel).length === 3);
    expect(agent.agent.status().held).toEqual([]);
  });
});
