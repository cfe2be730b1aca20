import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentProcess } from '../../../test/fixtures/agent.js';
import { until } from '../../../test/fixtures/until.js';
import { requireMachine } from '../../../test/lab/index.js';

const run = promisify(execFile);

/** The table as another program sees it. */
async function table(): Promise<string[]> {
  const { stdout } = await run('ipvsadm', ['-Sn']);
  return stdout.trim().split('\n').filter(Boolean);
}

const WEB = ['-A -t 10.0.0.1:80 -s rr', '-a -t 10.0.0.1:80 -r 172.17.0.2:8080 -m -w 10'];

let directory: string;
let flags: string[];

async function put(tree: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, value] of Object.entries(tree)) {
    const file = join(directory, 'tree', key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(value));
  }
}

beforeAll(() => {
  requireMachine();
});
beforeEach(async () => {
  await run('ipvsadm', ['-C']);
  directory = await mkdtemp(join(tmpdir(), 'clusterf-ipvs-'));
  flags = ['--config-source', `file://${directory}/tree`, '--state-dir', join(directory, 'state')];
  await put({
    'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, scheduler: 'rr' },
    'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080 },
  });
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe('clusterf-ipvs', () => {
  test('--once brings the kernel to what the tree says and exits with 0', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--once']);
    expect(await agent.exit()).toBe(0);
    expect(await table()).toEqual(WEB);
  });

  test('--once on an unchanged tree issues no operation', async () => {
    await using first = new AgentProcess('clusterf-ipvs', [...flags, '--once']);
    await first.exit();
    await using second = new AgentProcess('clusterf-ipvs', [...flags, '--once', '--noop']);
    expect(await second.exit()).toBe(0);
    expect(second.output).toBe('nothing to do\n');
  });

  test('the Go program’s command line: --ipvs-noop prints what it would do and writes nothing', async () => {
    const go = [
      '--ipvs-noop',
      '--ipvs-debug',
      '--ipvs-elide',
      '--ipvs-fwd-method',
      'droute',
      '--ipvs-sched-name=wrr',
      '--print',
    ];
    await put({
      'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432 },
      'services/db/backends/a': { ipv4: '172.17.0.3', tcp: 5432 },
      'services/empty/frontend': { ipv4: '10.0.0.3', tcp: 1 },
    });
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--once', ...go]);
    expect(await agent.exit()).toBe(0);
    expect(agent.output).toContain('new service: tcp 10.0.0.2:5432 scheduler=wrr  # db');
    expect(agent.output).toContain('-> 172.17.0.3:5432 method=droute weight=10  # db a');
    expect(agent.output).not.toContain('10.0.0.3');
    expect(await table()).toEqual([]);
  });

  test('follows the tree while it runs, and leaves everything in place on SIGTERM', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', flags);
    await until('the first pass', async () => (await table()).length === 2);
    await put({ 'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080, weight: 0 } });
    await until('the new backend', async () =>
      (await table()).some((line) => line.includes('172.17.0.3:8080 -m -w 0')),
    );
    expect(await agent.stop('SIGTERM')).toBe(0);
    expect(await table()).toHaveLength(3);
  });

  test('goes on when nobody reads its log and its output any more', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--print']);
    await until('the first pass', async () => (await table()).length === 2);
    agent.stopReading();
    for (const [i, name] of ['b', 'c', 'd'].entries()) {
      await put({ [`services/web/backends/${name}`]: { ipv4: `172.17.0.${i + 3}`, tcp: 8080 } });
      await until('the new backend', async () => (await table()).length === i + 3);
    }
    expect(await agent.stop('SIGTERM')).toBe(0);
  });

  test('goes on with all others when an entry is of a kind nobody foresaw', async () => {
    const scheduler = 'constructor';
    await put({ 'services/bad/frontend': { ipv4: '10.0.0.9', tcp: 80, scheduler }, 'services/bad/backends/a': {} });
    await writeFile(join(directory, 'tree/services/bad/backends/b'), `{"ipv4":${'['.repeat(9000)}${']'.repeat(9000)}}`);
    await using agent = new AgentProcess('clusterf-ipvs', flags);
    await until('the first pass', async () => (await table()).length === 2);
    await put({ 'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080 } });
    await until('the new backend', async () => (await table()).length === 3);
    expect(await agent.stop('SIGTERM')).toBe(0);
  });

  test('deletes after a restart what the tree dropped meanwhile, and never what is not its own', async () => {
    await using first = new AgentProcess('clusterf-ipvs', [...flags, '--once']);
    await first.exit();
    await run('ipvsadm', ['-A', '-t', '10.9.9.9:443']);
    await rm(join(directory, 'tree', 'services', 'web'), { recursive: true });
    await put({ 'services/db/frontend': { ipv4: '10.0.0.2', tcp: 5432 } });
    await using second = new AgentProcess('clusterf-ipvs', [...flags, '--once']);
    expect(await second.exit()).toBe(0);
    expect((await table()).toSorted()).toEqual(['-A -t 10.0.0.2:5432 -s wlc', '-A -t 10.9.9.9:443 -s wlc']);
  });

  test('repairs what somebody else changed at the next resync', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--resync', '200ms']);
    await until('the first pass', async () => (await table()).length === 2);
    await run('ipvsadm', ['-d', '-t', '10.0.0.1:80', '-r', '172.17.0.2:8080']);
    await until('the repair', async () => (await table()).length === 2);
    expect(agent.logged('new destination')).toHaveLength(2);
  });

  test('puts everything back when IPVS itself was unloaded and loaded again', async () => {
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--resync', '300ms']);
    await until('the first pass', async () => (await table()).length === 2);
    const { pid = 0 } = agent;
    // It would put back what holds the modules faster than these are gone.
    process.kill(pid, 'SIGSTOP');
    await run('ipvsadm', ['-C']);
    await until('it to be unloaded', async () => {
      const users = await readdir('/sys/module/ip_vs/holders').catch(() => []);
      return await run('modprobe', ['-r', ...users, 'ip_vs']).then(
        () => true,
        () => false,
      );
    });
    await run('modprobe', ['ip_vs']);
    process.kill(pid, 'SIGCONT');
    await until('the repair', async () => (await table()).length === 2);
    expect(await agent.stop('SIGTERM')).toBe(0);
  });

  test('names a scheduler the kernel does not have, goes on with the rest and exits with 1 when asked for one pass', async () => {
    await put({ 'services/bad/frontend': { ipv4: '10.0.0.9', tcp: 80, scheduler: 'typo' } });
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--once']);
    expect(await agent.exit()).toBe(1);
    expect(await table()).toEqual(WEB);
    expect(agent.text()).toMatch(/tcp 10\.0\.0\.9:80.*scheduler/);
  });

  test('--flush clears what others made, once the tree is read', async () => {
    await run('ipvsadm', ['-A', '-t', '10.9.9.9:443']);
    await using agent = new AgentProcess('clusterf-ipvs', [...flags, '--once', '--flush']);
    expect(await agent.exit()).toBe(0);
    expect(await table()).toEqual(WEB);
  });
});
