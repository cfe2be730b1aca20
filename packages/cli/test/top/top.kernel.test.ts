// oxlint-disable jest/expect-expect -- `shows` and `until` throw where what they wait for does not come
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentProcess } from '../../../../test/fixtures/agent.js';
import { listen } from '../../../../test/fixtures/listen.js';
import { until } from '../../../../test/fixtures/until.js';
import { projectRoot } from '../../../../test/lab/index.js';
import { Site } from '../../../ipvs-agent/test/site.js';
import { Conversation, EchoServer, haveAddress } from '../../../ipvs-agent/test/talk.js';
import { clusterf, RunningCommand } from '../clusterf.js';

const VIP = '10.0.0.1';
const AGENT = '127.0.0.1:9790';

let site: Site;
let server: EchoServer;
let agent: AgentProcess;
let address: AsyncDisposable;

beforeAll(async () => {
  server = await EchoServer.start('a');
  address = await haveAddress(VIP);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await address[Symbol.asyncDispose]();
});

beforeEach(async () => {
  site = await Site.make({
    'services/web/frontend': { ipv4: VIP, tcp: 80, scheduler: 'rr' },
    'services/web/backends/a': { ipv4: '127.0.0.1', tcp: server.port, weight: 7, container: 'web-1' },
    'services/mail/frontend': { ipv4: VIP, tcp: 25 },
  });
  agent = site.start('--http-listen', AGENT);
  await agent.waitFor('listening for HTTP');
  await until('the first pass', async () => (await fetch(`http://${AGENT}/readyz`)).ok);
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** Goes on asking for connections until it is told to stop. */
function traffic(): AsyncDisposable {
  const stop = new AbortController();
  const asking = (async () => {
    while (!stop.signal.aborted) {
      await using conversation = await Conversation.open(VIP, 80);
      await conversation.close();
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await asking;
    },
  };
}

/** The agent, and where the containers' names are. */
function asked(): readonly string[] {
  return ['--from', AGENT, '--config-source', site.source];
}

/** One look, as data, by name. */
async function looked(...args: readonly string[]) {
  const { stdout } = await clusterf(['top', '--once', '-o', 'json', '--sort', 'name', ...args]);
  return JSON.parse(stdout).services;
}

test('rates and connections are shown under the names of the tree, as the agent has them', async () => {
  await using talk = await Conversation.open(VIP, 80);
  await using _ = traffic();
  await until('the kernel has estimated', async () => {
    const metrics = await (await fetch(`http://${AGENT}/metrics`)).text();
    return /^clusterf_ipvs_service_connections_per_second\{service="web".*\} [1-9]/m.test(metrics);
  });
  const { code, stdout, stderr } = await clusterf(['top', '--once', ...asked()]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const rows = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
  expect(rows[1]).toEqual(["rates are the kernel's own, averaged over some 8 s and refreshed every 2 s"]);
  const [web, a, mail] = rows.slice(4);
  expect(web?.slice(0, 2)).toEqual(['web', `tcp ${VIP}:80`]);
  expect(a?.slice(0, 3)).toEqual(['web-1', `127.0.0.1:${server.port}`, '7']);
  expect(mail).toEqual(['mail', `tcp ${VIP}:25`, '0', '0', '0', '0', '0', '0', '0']);
  const figures = a?.slice(3).map(Number) ?? [];
  const [connections = 0, active = 0, inactive = 0, packetsIn = 0] = figures;
  expect(figures).toHaveLength(7);
  expect([connections > 0, active >= 1, inactive > 0, packetsIn > connections]).toEqual([true, true, true, true]);
  await talk.goesOn();
});

test('the kernel itself says the same, with names from the tree', async () => {
  await using talk = await Conversation.open(VIP, 80);
  const said = [
    { service: 'mail', virtualService: `tcp ${VIP}:25`, active: 0, backends: [] },
    {
      service: 'web',
      virtualService: `tcp ${VIP}:80`,
      active: 1,
      backends: [{ backend: 'a', active: 1, weights: [7, 7] }],
    },
  ];
  expect(await looked('--kernel', '--config-source', site.source)).toMatchObject(said);
  expect(await looked(...asked())).toMatchObject(said);
  await talk.goesOn();
});

test('a tree that cannot be read costs the names', async () => {
  const { code, stdout } = await clusterf(['top', '--once', '--kernel', '--config-source', 'file:///nowhere']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^! no names: .*\/nowhere/m);
  expect(stdout).toMatch(/^\(name not known\) +tcp 10\.0\.0\.1:25/m);
});

test('several balancers are added up, and one that does not answer is told of', async () => {
  await using talk = await Conversation.open(VIP, 80);
  const { code, stdout } = await clusterf(['top', '--once', ...asked(), '--from', AGENT, '--from', '127.0.0.1:9']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^! http:\/\/127\.0\.0\.1:9: connect ECONNREFUSED/m);
  expect(stdout).toMatch(new RegExp(`^ {2}web-1 +127\\.0\\.0\\.1:${server.port} +7 +\\d+ +2 `, 'm'));
  await talk.goesOn();
});

test('what is no agent, and no agent at all, is told in one line', async () => {
  const other = createServer((_, response) => response.end('hello\n'));
  const port = await listen(other);
  expect(await clusterf(['top', '--once', '--from', `127.0.0.1:${port}`])).toMatchObject({
    code: 1,
    stderr: `clusterf top: no counters: http://127.0.0.1:${port}: no clusterf-ipvs answers there\n`,
  });
  other.close();
  expect((await clusterf(['top', '--once'])).stderr).toMatch(
    /^clusterf top: no counters: http:\/\/127\.0\.0\.1:9780: connect ECONNREFUSED .*\. Is clusterf-ipvs running here\? /,
  );
});

test('without a terminal it prints one look after the other, until its reader goes away', async () => {
  await using running = new RunningCommand(['top', '--interval', '100ms', ...asked()]);
  await running.prints(/(clusterf top[^]*){3}/);
  running.stopReading();
  expect(await running.end()).toBe(0);
});

test('ends after as many looks as it is told to', async () => {
  const { code, stdout } = await clusterf(['top', '-n', '2', '--interval', '100ms', '-o', 'json', ...asked()]);
  expect(code).toBe(0);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).services.length),
  ).toEqual([2, 2]);
});

/** `clusterf top` on a terminal of its own, which `script` keeps. */
class Terminal implements AsyncDisposable {
  shown = '';
  readonly #script: ChildProcess;

  constructor() {
    const bin = `${projectRoot()}/packages/cli/bin/clusterf.cjs`;
    const command = `stty rows 12 columns 80; ${bin} top --interval 100ms ${asked().join(' ')}; echo "ended with $?"`;
    this.#script = spawn('script', ['--quiet', '--command', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => (this.shown += text));
  }

  async shows(expected: RegExp): Promise<void> {
    await until(`the terminal shows ${String(expected)}`, () => expected.test(this.shown), 60_000);
  }

  types(keys: string): void {
    this.#script.stdin?.write(keys);
  }

  /** The window is closed. */
  async close(): Promise<void> {
    this.#script.kill('SIGKILL');
    await once(this.#script, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#script.exitCode === null && this.#script.signalCode === null) await this.close();
  }
}

// oxlint-disable no-control-regex -- they are what a terminal is told
const OTHER_SCREEN = /\u001b\[\?1049h[^]*by connections[^]*web[^]*q quit/;
const SAME_SCREEN = /\u001b\[\?1049l[^]*ended with 0/;
// oxlint-enable no-control-regex

describe('on a terminal', () => {
  test.each([
    ['q', 'q'],
    ['Ctrl-C', '\u0003'],
  ])('it takes all of it, and gives it back as it was on %s', async (...[, key]) => {
    await using terminal = new Terminal();
    await terminal.shows(OTHER_SCREEN);
    terminal.types('n');
    await terminal.shows(/by name/);
    terminal.types(key);
    await terminal.shows(SAME_SCREEN);
  });

  test('it ends with the terminal', async () => {
    await using terminal = new Terminal();
    await terminal.shows(/q quit/);
    const pid = await shower();
    await terminal.close();
    await until('it has ended', () => !isAlive(pid));
  });
});

/** The process that shows something on the terminal. */
async function shower(): Promise<number> {
  const pgrep = spawn('pgrep', ['--newest', '--full', 'clusterf.cjs top --interval'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(pgrep.stdout.setEncoding('utf8'), 'data');
  return Number(line);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
