import { EventEmitter, once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { until } from '../../../test/fixtures/until.js';
import { MemoryKernel } from './memory-kernel.js';
import { destinations, existing, RunningAgent, started, TREE, WEB, WEB_KEY } from './running-agent.js';
import { ScriptedSource } from './scripted-source.js';

const backend = (n: number) => ({ ipv4: `172.17.0.${n}`, tcp: 8080 });

/** The names in the lines of removed destinations. */
const removed = (agent: RunningAgent) =>
  agent.log.lines.flatMap(({ message, fields }) =>
    message === 'removed destination' ? [[fields?.['service'], fields?.['backends'], fields?.['destination']]] : [],
  );

describe('fail static', () => {
  test('writes nothing to the kernel before every source has been read once', async () => {
    const [first, second] = [new ScriptedSource('memory:1'), new ScriptedSource('memory:2')];
    const kernel = new MemoryKernel();
    const agent = await RunningAgent.start([first, second], kernel, { owned: [WEB_KEY] });
    kernel.table.set(WEB_KEY, existing());
    second.unavailable('connection refused');
    first.snapshot({});
    await until('both to be heard', () => agent.log.said('source') === 2);
    expect(kernel.asked).toEqual([]);
    second.snapshot(TREE);
    await until('the first pass', () => destinations(kernel).length === 2);
  });

  test('keeps the table when a source goes away, and goes on when it is back', async () => {
    const { source, kernel, agent } = await started();
    const asked = kernel.asked.length;
    source.unavailable('connection refused');
    await until('the loss to be noticed', () => agent.log.said('source unavailable') > 0);
    expect(kernel.asked).toHaveLength(asked);
    source.snapshot({ ...TREE, 'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080, weight: 1 } });
    await until('the change', () => destinations(kernel).includes('172.17.0.3:8080 1'));
    expect(kernel.asked).toHaveLength(asked + 1);
  });

  test('says of an outage once that it is one, whatever etcd answers meanwhile, and shows what it answered last', async () => {
    const { source, agent } = await started();
    const shown = () => agent.agent.status().sources[0]?.error;
    for (const reason of ['14 UNAVAILABLE: Connection dropped', '4 DEADLINE_EXCEEDED: Deadline exceeded']) {
      source.unavailable(reason);
      await until('it to be heard', () => shown() === reason);
    }
    expect(agent.log.said('source unavailable')).toBe(1);
    source.unavailable('7 PERMISSION_DENIED: etcdserver: permission denied');
    await until('what is to be mended otherwise to be said', () => agent.log.said('source unavailable') === 2);
    source.snapshot(TREE);
    await until('the end of it', () => agent.log.said('source read') === 2);
    source.unavailable('14 UNAVAILABLE: Connection dropped');
    await until('the next one', () => agent.log.said('source unavailable') === 3);
  });

  test('keeps the last good value of an entry that turns bad, and takes all others', async () => {
    const { source, kernel, agent } = await started();
    source.change({
      'services/web/backends/a': '{"ipv4": "172.17.0.02"',
      'services/web/backends/c': { ipv4: '172.17.0.4', tcp: 80 },
    });
    await until('the good one', () => destinations(kernel).includes('172.17.0.4:80 10'));
    expect(destinations(kernel)).toContain('172.17.0.2:8080 10');
    expect(agent.log.said('problem: services/web/backends/a')).toBe(1);
    source.change({ 'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080, weight: 5 } });
    await until('the mended one', () => destinations(kernel).includes('172.17.0.2:8080 5'));
    expect(agent.log.said('problem solved: services/web/backends/a')).toBe(1);
  });
});

describe('an entry that cannot be read after a restart', () => {
  test('takes nothing away that it may have asked for, and what is mended goes on', async () => {
    const { kernel, agent: first } = await started();
    await first.stop();
    const source = new ScriptedSource();
    const agent = await RunningAgent.start([source], kernel, { owned: [WEB_KEY] });
    source.snapshot({
      ...TREE,
      'services/web/backends/a': '{"ipv4": 7}',
      'services/web/backends/c': { ipv4: '172.17.0.4', tcp: 80 },
    });
    await until('the good one', () => destinations(kernel).length === 3);
    expect(destinations(kernel)).toContain('172.17.0.2:8080 10');
    expect(agent.log.said('held back until every entry can be read')).toBe(1);
    source.change({ 'services/web/backends/a': undefined });
    await until('the deleted one to go', () => destinations(kernel).length === 2);
  });

  test('keeps every virtual service if it is a frontend: nobody knows which were its', async () => {
    const { kernel, agent: first } = await started();
    await first.stop();
    const source = new ScriptedSource();
    const agent = await RunningAgent.start([source], kernel, { owned: [WEB_KEY] });
    source.snapshot({ ...TREE, 'services/web/frontend': '[]' });
    await until('the removal to be held', () => agent.log.said('removals held back') > 0);
    expect(destinations(kernel)).toHaveLength(2);
    source.change({ 'services/web/frontend': WEB });
    await until('the frontend to be mended', () => agent.log.said('problem solved') > 0);
    expect(destinations(kernel)).toHaveLength(2);
  });
});

test('a tree that publishes nothing from the start takes nothing away: more likely a typo in the prefix', async () => {
  const { kernel, agent: first } = await started();
  await first.stop();
  const source = new ScriptedSource();
  const agent = await RunningAgent.start([source], kernel, { owned: [WEB_KEY] });
  source.snapshot({});
  await until('it to be said', () => agent.log.said('removals held back until the tree publishes something') > 0);
  expect(destinations(kernel)).toHaveLength(2);
  source.change({ 'services/other/frontend': { ...WEB, tcp: 81 } });
  await until('the old one to go', () => !kernel.table.has(WEB_KEY));
});

test('a tree that is filled by this process is taken at its word when it publishes nothing', async () => {
  const { kernel, agent: first } = await started();
  await first.stop();
  const source = new ScriptedSource();
  await RunningAgent.start([source], kernel, { owned: [WEB_KEY], trustEmpty: true });
  source.snapshot({});
  await until('the old one to go', () => !kernel.table.has(WEB_KEY));
  expect(kernel.table.size).toBe(0);
});

describe('ownership', () => {
  test('a restart on an unchanged tree issues no operation', async () => {
    const { kernel, agent } = await started();
    await agent.stop();
    const asked = kernel.asked.length;
    const source = new ScriptedSource();
    const again = await RunningAgent.start([source], kernel, { owned: [WEB_KEY], print: true });
    source.snapshot(TREE);
    await until('its first pass', () => again.printed.length > 0);
    expect(kernel.asked).toHaveLength(asked);
    expect(again.log.said('ready: 1 virtual services, 2 destinations, nothing to do')).toBe(1);
  });

  test('the first pass says how much there is and was to do, and no later one does', async () => {
    const { source, kernel, agent } = await started();
    source.change({ 'services/web/backends/a': undefined });
    await until('the change', () => destinations(kernel).length === 1);
    const said = agent.log.lines.filter(({ message }) => message.startsWith('ready'));
    expect(said.map(({ message }) => message)).toEqual([
      'ready: 1 virtual services, 2 destinations, operations done: 3',
    ]);
  });

  test('deletes what the tree dropped while the agent was away, and leaves alone what is not its own', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const foreign = 'tcp 10.9.9.9:443';
    kernel.table.set(foreign, existing('10.9.9.9', 443)).set('tcp 10.0.0.2:80', existing('10.0.0.2', 80));
    const agent = await RunningAgent.start([source], kernel, { owned: ['tcp 10.0.0.2:80'], print: true });
    source.snapshot(TREE);
    await until('the first pass', () => agent.printed.length > 0);
    expect([...kernel.table.keys()].toSorted()).toEqual([WEB_KEY, foreign].toSorted());
  });

  test('takes over what the tree names, and deletes it when the tree no longer does', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set(WEB_KEY, existing());
    const agent = await RunningAgent.start([source], kernel);
    source.snapshot(TREE);
    await until('the first pass', () => destinations(kernel).length === 2);
    expect(agent.ownership.has(WEB_KEY)).toBe(true);
    source.change({ 'services/web/frontend': undefined });
    await until('it to be gone', () => !kernel.table.has(WEB_KEY));
    await agent.stop();
    expect(agent.ownership.has(WEB_KEY)).toBe(false);
  });
});

describe('a kernel that is not as known', () => {
  test('is read again where it refuses, and brought to what is desired at once', async () => {
    const { source, kernel, agent } = await started();
    kernel.table.delete(WEB_KEY);
    kernel.table.set('tcp 10.0.0.1:81', existing('10.0.0.1', 81));
    source.change({ 'services/web/backends/a': undefined, 'services/x/frontend': { ...WEB, tcp: 81 } });
    await until('both to be right', () => kernel.table.has('tcp 10.0.0.1:81') && destinations(kernel).length === 1);
    expect(destinations(kernel)).toEqual(['172.17.0.3:8080 10']);
    expect(agent.log.said('read again')).toBeGreaterThan(0);
    expect(kernel.dumps).toBe(1);
  });

  test('is repaired at a resync', async () => {
    const { kernel, agent } = await started();
    kernel.table.get(WEB_KEY)?.destinations.delete('172.17.0.2:8080');
    await agent.clock.advance(30_000);
    await until('the repair', () => destinations(kernel).length === 2);
    expect(agent.agent.status().drift).toEqual({ added: 0, changed: 0, removed: 1 });
    const [line] = agent.log.lines.filter(({ message }) => message.startsWith('drift'));
    expect(line).toMatchObject({
      level: 'warn',
      message: 'drift: a destination of ours is gone',
      fields: { service: 'web', destination: '172.17.0.2:8080', backends: ['a'], known: 'method=masq weight=10' },
    });
  });

  test('is not taken for drift where a pass changed it while it was looked through', async () => {
    const { source, kernel, agent } = await started();
    const watch = kernel.watchDestinations.bind(kernel);
    kernel.watchDestinations = async (service) => {
      const read = await watch(service);
      source.change({ 'services/web/backends/a': undefined });
      await until('the change', () => destinations(kernel).length === 1);
      return read;
    };
    await agent.clock.advance(30_000);
    await until('the look', () => destinations(kernel).length === 1);
    expect(agent.agent.status().drift).toEqual({ added: 0, changed: 0, removed: 0 });
    expect(agent.log.said('drift')).toBe(0);
  });

  test('that refuses one service gets all others, and that one again', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.refuse = (op) => (op.command === 'newService' && op.service.scheduler === 'typo' ? 'ENOENT' : undefined);
    const agent = await RunningAgent.start([source], kernel);
    source.snapshot({ ...TREE, 'services/bad/frontend': { ipv4: '10.0.0.9', tcp: 80, scheduler: 'typo' } });
    await until('the failure', () => agent.log.said('problem: services/bad/frontend: newService tcp 10.0.0.9:80') > 0);
    expect(destinations(kernel)).toHaveLength(2);
    expect(agent.agent.status().retrying).toMatchObject([{ virtualService: 'tcp 10.0.0.9:80' }]);
    const asked = kernel.asked.length;
    source.change({ 'services/web/backends/a': undefined });
    await until('another service to go on', () => destinations(kernel).length === 1);
    expect(kernel.asked).toHaveLength(asked + 1);
    kernel.refuse = () => undefined;
    await agent.clock.advance(1000);
    await until('the retry', () => kernel.table.has('tcp 10.0.0.9:80'));
    await until('it to be said', () => agent.log.said('problem solved: services/bad/frontend') > 0);
  });
});

describe('what is told of an operation', () => {
  test('has the names of who made a thing, after another service took its address', async () => {
    const { source, kernel, agent } = await started();
    source.change({ 'services/app/frontend': WEB, 'services/app/backends/x': backend(9) });
    await until('the takeover', () => destinations(kernel).join() === '172.17.0.9:8080 10');
    source.change({ 'services/app/backends/x': undefined, 'services/app/backends/y': backend(9) });
    source.change({ 'services/app/backends/y': undefined, 'services/app/backends/z': backend(8) });
    await until('the change', () => destinations(kernel).join() === '172.17.0.8:8080 10');
    expect(removed(agent)).toEqual([
      ['web', ['a'], '172.17.0.2:8080'],
      ['web', ['b'], '172.17.0.3:8080'],
      ['app', ['y'], '172.17.0.9:8080'],
    ]);
  });

  test('has the names of who shares a destination with the service that had the address before', async () => {
    const { source, kernel, agent } = await started();
    source.change({ 'services/app/frontend': WEB, 'services/app/backends/x': backend(2) });
    await until('the takeover', () => destinations(kernel).join() === '172.17.0.2:8080 10');
    kernel.table.get(WEB_KEY)?.destinations.delete('172.17.0.2:8080');
    await agent.clock.advance(30_000);
    await until('the repair', () => destinations(kernel).length === 1);
    const [drift] = agent.log.lines.filter(({ message }) => message.startsWith('drift'));
    expect(drift?.fields).toMatchObject({ service: 'app', backends: ['x'] });
  });

  test('has the names of who made it, while it drains for another service', async () => {
    const { source, kernel, agent } = await started(TREE, { drainTimeout: 60_000 });
    kernel.open.set('172.17.0.2:8080', { active: 1, inactive: 0 });
    kernel.open.set('172.17.0.3:8080', { active: 1, inactive: 0 });
    source.change({ 'services/app/frontend': WEB, 'services/app/backends/x': backend(9) });
    await until('the drain', () => destinations(kernel).includes('172.17.0.3:8080 0'));
    source.change({ 'services/app/backends/y': backend(8) });
    await until('another pass', () => destinations(kernel).includes('172.17.0.8:8080 10'));
    await agent.clock.advance(60_000);
    await until('the end of it', () => destinations(kernel).length === 2);
    expect(removed(agent).map(([service, backends]) => [service, backends])).toEqual([
      ['web', ['a']],
      ['web', ['b']],
    ]);
  });
});

describe('options', () => {
  test('--noop prints the operations with their names and asks the kernel for nothing', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = await RunningAgent.start([source], kernel, { noop: true, once: true, flush: true });
    source.snapshot(TREE);
    await agent.done;
    expect(kernel.asked).toEqual([]);
    expect(agent.printed.join('')).toBe(
      [
        'new service: tcp 10.0.0.1:80 scheduler=wlc  # web',
        'new destination: tcp 10.0.0.1:80 -> 172.17.0.2:8080 method=masq weight=10  # web a',
        'new destination: tcp 10.0.0.1:80 -> 172.17.0.3:8080 method=masq weight=10  # web b',
        '',
      ].join('\n'),
    );
  });

  test('--noop with --flush says what would be flushed, and plans against an empty table', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set('tcp 10.9.9.9:443', existing('10.9.9.9', 443));
    const agent = await RunningAgent.start([source], kernel, { noop: true, once: true, flush: true });
    source.snapshot({ 'services/web/frontend': WEB });
    await agent.done;
    expect(agent.printed).toEqual(['flush: tcp 10.9.9.9:443\nnew service: tcp 10.0.0.1:80 scheduler=wlc  # web\n']);
    expect(kernel.table.size).toBe(1);
  });

  test('--noop says what is held back and why, and what would be in the way', async () => {
    const { kernel, agent: first } = await started();
    await first.stop();
    const source = new ScriptedSource();
    const settings = { owned: [WEB_KEY], noop: true, once: true, stateDirectory: '/dev/null/state' };
    const agent = await RunningAgent.start([source], kernel, settings);
    source.snapshot({ ...TREE, 'services/web/backends/a': '{', 'services/web/backends/b': undefined });
    await agent.done;
    expect(agent.printed).toEqual([
      [
        'held back until every entry can be read: remove destination: tcp 10.0.0.1:80 -> 172.17.0.2:8080  # web a',
        'held back until every entry can be read: remove destination: tcp 10.0.0.1:80 -> 172.17.0.3:8080  # web b',
        "cannot write state: ENOTDIR: not a directory, access '/dev/null/state'",
        '',
      ].join('\n'),
    ]);
  });

  test('--noop says what the brake would hold', async () => {
    const backends = Object.fromEntries(
      [2, 3, 4, 5].map((n) => [`services/web/backends/${n}`, { ipv4: `172.17.0.${n}`, tcp: 8080 }]),
    );
    const { kernel, agent: first } = await started({ 'services/web/frontend': WEB, ...backends });
    await first.stop();
    const source = new ScriptedSource();
    const agent = await RunningAgent.start([source], kernel, { owned: [WEB_KEY], noop: true, once: true, brake: 0.5 });
    source.snapshot({ 'services/other/frontend': { ipv4: '10.0.0.2', tcp: 80 } });
    await agent.done;
    expect(agent.printed).toEqual([
      'new service: tcp 10.0.0.2:80 scheduler=wlc  # other\nheld back by the brake: remove service: tcp 10.0.0.1:80  # web\n',
    ]);
  });

  test('--print shows the table with the names of the tree, once for each change', async () => {
    const { agent } = await started(TREE, { print: true });
    await until('the table', () => agent.printed.length > 0);
    await agent.clock.advance(30_000);
    await until('the resync', () => agent.kernel.walks === 1);
    expect(agent.printed).toEqual([
      [
        'Prot LocalAddress:Port Scheduler Flags',
        '  -> RemoteAddress:Port           Forward Weight Backends',
        'TCP  10.0.0.1:80 wlc  # web',
        '  -> 172.17.0.2:8080              Masq    10     a',
        '  -> 172.17.0.3:8080              Masq    10     b',
        '',
      ].join('\n'),
    ]);
  });

  test('--once does one pass and ends', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = await RunningAgent.start([source], kernel, { once: true });
    source.snapshot(TREE);
    await agent.done;
    expect(destinations(kernel)).toHaveLength(2);
  });

  test('--once fails when a source cannot be read, and writes nothing', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = await RunningAgent.start([source], kernel, { once: true });
    source.unavailable('connection refused');
    await expect(agent.done).rejects.toThrow('source unavailable: connection refused');
    expect(kernel.asked).toEqual([]);
  });

  test('--flush clears the table, foreign services and all, but not before the tree is read', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set('tcp 10.9.9.9:443', existing('10.9.9.9', 443));
    const agent = await RunningAgent.start([source], kernel, { flush: true });
    source.unavailable('connection refused');
    await until('the source to be heard', () => agent.log.said('source unavailable') > 0);
    expect(kernel.table.size).toBe(1);
    source.snapshot(TREE);
    await until('the first pass', () => destinations(kernel).length === 2);
    expect([...kernel.table.keys()]).toEqual([WEB_KEY]);
  });

  test('--flush waits for a tree that publishes something: an empty one is more likely a typo in the prefix', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set('tcp 10.9.9.9:443', existing('10.9.9.9', 443));
    const agent = await RunningAgent.start([source], kernel, { flush: true });
    source.snapshot({});
    await until('it to be said', () => agent.log.said('not flushed') > 0);
    expect(kernel.table.size).toBe(1);
    source.change({ ...TREE });
    await until('the tree to be there', () => destinations(kernel).length === 2);
    expect([...kernel.table.keys()]).toEqual([WEB_KEY]);
  });

  test('--flush clears the table once, also when the first pass fails after it and is done again', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    let flushed = 0;
    const [flush, execute] = [kernel.flush.bind(kernel), kernel.execute.bind(kernel)];
    kernel.flush = async () => {
      flushed += 1;
      await flush();
    };
    kernel.execute = async (ops) => {
      kernel.execute = execute;
      await execute(ops);
      throw new Error('the socket was closed');
    };
    const agent = await RunningAgent.start([source], kernel, { flush: true });
    source.snapshot(TREE);
    await until('the failure', () => agent.log.said('pass failed') > 0);
    await until('the retry', async () => {
      await agent.clock.advance(1000);
      return agent.agent.unready === undefined;
    });
    expect(flushed).toBe(1);
    expect(destinations(kernel)).toHaveLength(2);
  });
});

test('an entry written in other words is no change, and yet makes a pass: others are to hear that it has been read', async () => {
  const { source, agent } = await started();
  const before = agent.agent.status();
  const read = before.sources[0]?.digest;
  source.change({ 'services/web/backends/a': ' {"TCP": 8080, "ipv4": "172.17.0.2"}' });
  await until('a pass', () => agent.agent.status().lastPass !== before.lastPass);
  const after = agent.agent.status();
  expect(after.lastPass).toMatchObject({ reason: 'trigger', operations: 0 });
  expect(after.sources[0]?.digest).not.toBe(read);
  expect(after.table).toBe(before.table);
});

test('a pass under way when the agent is told to stop is finished', async () => {
  const { source, kernel, agent } = await started();
  const execute = kernel.execute.bind(kernel);
  const gate = new EventEmitter();
  const released = once(gate, 'open');
  let begun = false;
  kernel.execute = async (ops) => {
    begun = true;
    await released;
    return await execute(ops);
  };
  source.change({ 'services/web/backends/a': undefined });
  await until('the pass', () => begun);
  const stopped = agent.stop();
  gate.emit('open');
  await stopped;
  expect(destinations(kernel)).toEqual(['172.17.0.3:8080 10']);
});
