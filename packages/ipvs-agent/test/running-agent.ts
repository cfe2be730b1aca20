import { afterEach } from '@jest/globals';
import type { Logger } from '@clusterf/daemon';
import { until } from '../../../test/fixtures/until.js';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { IpvsAgent } from '../src/agent.js';
import type { AgentOptions, AgentSurroundings } from '../src/agent-parts.js';
import { Brake } from '../src/brake.js';
import { DrainState, Drains } from '../src/drain.js';
import { EtcdEndpoints } from '../src/etcd-endpoints.js';
import { Grace } from '../src/grace.js';
import { OwnedState, Ownership } from '../src/ownership.js';
import { Restraint } from '../src/restraint.js';
import { StateDirectory } from '../src/state-directory.js';
import { MemoryKernel } from './memory-kernel.js';
import { ScriptedSource } from './scripted-source.js';

/** What a run is like, options of the agent and of what restrains it. */
export interface Settings extends Partial<AgentOptions> {
  /** Virtual services an earlier run made. */
  readonly owned?: readonly string[];
  /** What an earlier run was draining. */
  readonly draining?: DrainState['drains'];
  /** Milliseconds; 0 unless said. */
  readonly drainTimeout?: number;
  /** 0 to 1; 1 unless said. */
  readonly brake?: number;
  /** `HOST:PORT` that the sources are read from, and what their names stand for. */
  readonly etcd?: readonly string[];
  readonly lookUp?: () => readonly string[];
  /** Where state is kept; in memory unless said. */
  readonly stateDirectory?: string;
  /** Milliseconds that a virtual service may come back in; 0 unless said. */
  readonly grace?: number;
}

const OPTIONS: AgentOptions = {
  method: 'masq',
  scheduler: 'wlc',
  elide: false,
  resync: 30_000,
  noop: false,
  print: false,
  flush: false,
  adopt: false,
  once: false,
};

/** Milliseconds: `--brake-hold` here. */
export const HOLD = 30_000;

export const WEB = { ipv4: '10.0.0.1', tcp: 80 };
export const WEB_KEY = 'tcp 10.0.0.1:80';
export const TREE = {
  'services/web/frontend': WEB,
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080 },
  'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 8080 },
};

export class LogRecord implements Logger {
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

/** A machine of which nothing goes along with the table. */
const NOWHERE: AgentSurroundings = {
  balancer: 'lb1',
  held: 0,
  resync: async () => {},
  syncing: false,
  announce: async () => {},
  synchronise: async () => {},
  rehearse: async () => [],
  withdraw: async () => {},
  unmasquerade: async () => {},
  problems: [],
  status: {
    virtualAddresses: {
      interface: undefined,
      bound: [],
      foreign: [],
      elsewhere: [],
      drift: { deleted: 0, down: 0, addresses: 0 },
    },
    syncDaemons: { wanted: [], running: [], foreign: [] },
    sysctls: [],
    masquerade: { networks: [], families: {}, hairpinPorts: [], drift: 0 },
  },
};

/** An agent between scripted sources and a kernel in memory. */
export class RunningAgent {
  readonly log: LogRecord;
  readonly clock: ManualClock;
  readonly kernel: MemoryKernel;
  readonly ownership: Ownership;
  readonly agent: IpvsAgent;
  readonly done: Promise<void>;
  readonly #stop: AbortController;

  private constructor(parts: Omit<RunningAgent, 'done' | 'stop'>, stop: AbortController, once: boolean) {
    this.log = parts.log;
    this.clock = parts.clock;
    this.kernel = parts.kernel;
    this.ownership = parts.ownership;
    this.agent = parts.agent;
    this.printed = parts.printed;
    this.counted = parts.counted;
    this.#stop = stop;
    this.done = once ? this.agent.runOnce() : this.agent.run();
    this.done.catch(() => {});
    running.push(this);
  }

  readonly printed: string[];
  /** One for each time that it has counted the connections of what is drained. */
  readonly counted: true[];

  static async start(sources: readonly ScriptedSource[], kernel: MemoryKernel, settings: Settings = {}) {
    const {
      owned = [],
      draining = [],
      drainTimeout = 0,
      brake = 1,
      grace = 0,
      etcd = [],
      lookUp = () => [],
      stateDirectory,
      ...options
    } = settings;
    const [log, clock, stop] = [new LogRecord(), new ManualClock(), new AbortController()];
    const printed: string[] = [];
    const counted: true[] = [];
    const state = new StateDirectory(stateDirectory, log);
    const ownership = new Ownership(
      await state.load({ name: 'owned', schema: OwnedState, empty: { version: 1, virtualServices: [...owned] } }),
    );
    const empty: DrainState = { version: 1, drains: [...draining] };
    const drainState = await state.load({ name: 'draining', schema: DrainState, empty });
    const drains = new Drains({ timeout: drainTimeout }, drainState, clock.now(), 0);
    const agent = new IpvsAgent(
      { ...OPTIONS, ...options },
      {
        sources,
        kernel,
        ownership,
        restraint: new Restraint({
          brake: new Brake({ share: brake, hold: HOLD }),
          grace: new Grace(grace),
          drains,
          clock,
          log,
        }),
        surroundings: NOWHERE,
        state,
        etcd: new EtcdEndpoints({ hosts: etcd, lookUp: async () => lookUp(), clock }),
        observer: {
          operation: () => {},
          drift: () => {},
          pass: () => {},
          counted: () => void counted.push(true),
          eventToKernel: () => {},
        },
        log,
        print: (text) => void printed.push(text),
        clock,
        wall: () => 0,
        signal: stop.signal,
      },
    );
    return new RunningAgent({ log, clock, kernel, ownership, agent, printed, counted }, stop, options.once ?? false);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

const running: RunningAgent[] = [];
afterEach(async () => {
  for (const agent of running.splice(0)) await agent.stop().catch(() => {});
});

/** One source, an empty kernel and an agent that has done its first pass over the tree. */
export async function started(tree: Readonly<Record<string, unknown>> = TREE, settings: Settings = {}) {
  const source = new ScriptedSource();
  const kernel = new MemoryKernel();
  const agent = await RunningAgent.start([source], kernel, settings);
  source.snapshot(tree);
  await until('the first pass', () => agent.agent.status().ready);
  return { source, kernel, agent };
}

/** `address:port weight` of every destination of a virtual service. */
export function destinations(kernel: MemoryKernel, key = WEB_KEY): string[] {
  return [...(kernel.table.get(key)?.destinations ?? [])].map(([d, { weight }]) => `${d} ${weight}`);
}

/** A virtual service as another tool could have made it. */
export function existing(address = '10.0.0.1', port = 80) {
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
