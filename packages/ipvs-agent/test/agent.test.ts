import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Logger } from '@clusterf/daemon';
import { type AgentOptions, runAgent } from '../src/agent.js';
import { Ownership } from '../src/ownership.js';
import { until } from '../../../test/fixtures/until.js';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { MemoryKernel } from './memory-kernel.js';
import { ScriptedSource } from './scripted-source.js';

const OPTIONS: AgentOptions = {
  method: 'masq',
  scheduler: 'wlc',
  elide: false,
  resync: 30_000,
  noop: false,
  print: false,
  flush: false,
  once: false,
};

const WEB = { ipv4: '10.0.0.1', tcp: 80 };
const WEB_KEY = 'tcp 10.0.0.1:80';
const TREE = {
  'services/web/frontend': WEB,
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080 },
  'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080 },
};

class LogRecord implements Logger {
  readonly lines: { level: string; message: string; fields: Readonly<Record<string, unknown>> | undefined }[] = [];
  readonly error = this.#at('error');
  readonly warn = this.#at('warn');
  readonly info = this.#at('info');
  readonly debug = this.#at('debug');
  with = () => this;
  close = async () => {};

  #at(level: string): Logger['info'] {
    return (message, fields) => void this.lines.push({ level, message, fields });
  }

  said(text: string): number {
    return this.lines.filter(({ message }) => message.includes(text)).length;
  }
}

/** An agent between scripted sources and a kernel in memory. */
class Running {
  readonly log = new LogRecord();
  readonly printed: string[] = [];
  readonly clock = new ManualClock();
  readonly kernel: MemoryKernel;
  readonly done: Promise<void>;
  readonly #stop = new AbortController();

  constructor(
    sources: readonly ScriptedSource[],
    kernel: MemoryKernel,
    owned: Ownership,
    options: Partial<AgentOptions> = {},
  ) {
    this.kernel = kernel;
    this.done = runAgent(
      { ...OPTIONS, ...options },
      {
        sources,
        kernel,
        ownership: owned,
        log: this.log,
        print: (text) => void this.printed.push(text),
        clock: this.clock,
        signal: this.#stop.signal,
      },
    );
    running.push(this);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

const running: Running[] = [];
afterEach(async () => {
  for (const agent of running.splice(0)) await agent.stop().catch(() => {});
});

async function ownership(...keys: string[]): Promise<Ownership> {
  const owned = await Ownership.load(undefined, () => {});
  await owned.replace(new Set(keys));
  return owned;
}

/** One source, an empty kernel and an agent that has done its first pass over the tree. */
async function started(tree: Readonly<Record<string, unknown>> = TREE, options: Partial<AgentOptions> = {}) {
  const source = new ScriptedSource();
  const kernel = new MemoryKernel();
  const agent = new Running([source], kernel, await ownership(), options);
  source.snapshot(tree);
  await until('the first pass', () => kernel.table.has(WEB_KEY));
  return { source, kernel, agent };
}

function destinations(kernel: MemoryKernel, key = WEB_KEY): string[] {
  return [...(kernel.table.get(key)?.destinations ?? [])].map(([d, { weight }]) => `${d} ${weight}`);
}

describe('fail static', () => {
  test('writes nothing to the kernel before every source has been read once', async () => {
    const [first, second] = [new ScriptedSource('memory:1'), new ScriptedSource('memory:2')];
    const kernel = new MemoryKernel();
    const agent = new Running([first, second], kernel, await ownership(WEB_KEY));
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
    const agent = new Running([source], kernel, await ownership(WEB_KEY));
    source.snapshot({
      ...TREE,
      'services/web/backends/a': '{"ipv4": 7}',
      'services/web/backends/c': { ipv4: '172.17.0.4', tcp: 80 },
    });
    await until('the good one', () => destinations(kernel).length === 3);
    expect(destinations(kernel)).toContain('172.17.0.2:8080 10');
    expect(agent.log.said('removals held back')).toBe(1);
    source.change({ 'services/web/backends/a': undefined });
    await until('the deleted one to go', () => destinations(kernel).length === 2);
  });

  test('keeps every virtual service if it is a frontend: nobody knows which were its', async () => {
    const { kernel, agent: first } = await started();
    await first.stop();
    const source = new ScriptedSource();
    const agent = new Running([source], kernel, await ownership(WEB_KEY));
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
  const agent = new Running([source], kernel, await ownership(WEB_KEY));
  source.snapshot({});
  await until('it to be said', () => agent.log.said('removals held back until the tree publishes something') > 0);
  expect(destinations(kernel)).toHaveLength(2);
  source.change({ 'services/other/frontend': { ...WEB, tcp: 81 } });
  await until('the old one to go', () => !kernel.table.has(WEB_KEY));
});

describe('ownership', () => {
  test('a restart on an unchanged tree issues no operation', async () => {
    const { kernel, agent } = await started();
    await agent.stop();
    const asked = kernel.asked.length;
    const source = new ScriptedSource();
    const again = new Running([source], kernel, await ownership(WEB_KEY), { print: true });
    source.snapshot(TREE);
    await until('its first pass', () => again.printed.length > 0);
    expect(kernel.asked).toHaveLength(asked);
  });

  test('deletes what the tree dropped while the agent was away, and leaves alone what is not its own', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const foreign = 'tcp 10.9.9.9:443';
    kernel.table.set(foreign, existing('10.9.9.9', 443)).set('tcp 10.0.0.2:80', existing('10.0.0.2', 80));
    const agent = new Running([source], kernel, await ownership('tcp 10.0.0.2:80'), { print: true });
    source.snapshot(TREE);
    await until('the first pass', () => agent.printed.length > 0);
    expect([...kernel.table.keys()].toSorted()).toEqual([WEB_KEY, foreign].toSorted());
  });

  test('takes over what the tree names, and deletes it when the tree no longer does', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set(WEB_KEY, existing());
    const owned = await ownership();
    const agent = new Running([source], kernel, owned);
    source.snapshot(TREE);
    await until('the first pass', () => destinations(kernel).length === 2);
    expect(owned.has(WEB_KEY)).toBe(true);
    source.change({ 'services/web/frontend': undefined });
    await until('it to be gone', () => !kernel.table.has(WEB_KEY));
    await agent.stop();
    expect(owned.has(WEB_KEY)).toBe(false);
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
    expect(kernel.dumps).toBe(2);
  });

  test('that refuses one service gets all others, and that one again', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.refuse = (op) => (op.command === 'newService' && op.service.scheduler === 'typo' ? 'ENOENT' : undefined);
    const agent = new Running([source], kernel, await ownership());
    source.snapshot({ ...TREE, 'services/bad/frontend': { ipv4: '10.0.0.9', tcp: 80, scheduler: 'typo' } });
    await until('the failure', () => agent.log.said('pass failed') > 0);
    expect(agent.log.said('problem: services/bad/frontend: newService tcp 10.0.0.9:80')).toBe(1);
    expect(destinations(kernel)).toHaveLength(2);
    kernel.refuse = () => undefined;
    await agent.clock.advance(1000);
    await until('the retry', () => kernel.table.has('tcp 10.0.0.9:80'));
    await until('it to be said', () => agent.log.said('problem solved: services/bad/frontend') > 0);
  });
});

describe('options', () => {
  test('--noop prints the operations with their names and asks the kernel for nothing', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = new Running([source], kernel, await ownership(), { noop: true, once: true, flush: true });
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
    const agent = new Running([source], kernel, await ownership(), { noop: true, once: true, flush: true });
    source.snapshot({ 'services/web/frontend': WEB });
    await agent.done;
    expect(agent.printed).toEqual(['flush: tcp 10.9.9.9:443\nnew service: tcp 10.0.0.1:80 scheduler=wlc  # web\n']);
    expect(kernel.table.size).toBe(1);
  });

  test('--print shows the table with the names of the tree, once for each change', async () => {
    const { agent } = await started(TREE, { print: true });
    await until('the table', () => agent.printed.length > 0);
    await agent.clock.advance(30_000);
    await until('the resync', () => agent.kernel.dumps === 2);
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
    const agent = new Running([source], kernel, await ownership(), { once: true });
    source.snapshot(TREE);
    await agent.done;
    expect(destinations(kernel)).toHaveLength(2);
  });

  test('--once fails when a source cannot be read, and writes nothing', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = new Running([source], kernel, await ownership(), { once: true });
    source.unavailable('connection refused');
    await expect(agent.done).rejects.toThrow('source unavailable: connection refused');
    expect(kernel.asked).toEqual([]);
  });

  test('--flush clears the table, foreign services and all, but not before the tree is read', async () => {
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    kernel.table.set('tcp 10.9.9.9:443', existing('10.9.9.9', 443));
    const agent = new Running([source], kernel, await ownership(), { flush: true });
    source.unavailable('connection refused');
    await until('the source to be heard', () => agent.log.said('source unavailable') > 0);
    expect(kernel.table.size).toBe(1);
    source.snapshot(TREE);
    await until('the first pass', () => destinations(kernel).length === 2);
    expect([...kernel.table.keys()]).toEqual([WEB_KEY]);
  });
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

/** A virtual service as another tool could have made it. */
function existing(address = '10.0.0.1', port = 80) {
  return {
    service: {
      id: { family: 'ipv4' as const, protocol: 'tcp' as const, address, port },
      scheduler: 'rr',
      schedulerFlags: 0,
      onePacket: false,
    },
    destinations: new Map(),
  };
}
