import { createLogger, systemClock } from '@clusterf/daemon';
import { parseKey } from '@clusterf/model';
import { Writable } from 'node:stream';
import { until } from '../../../test/fixtures/until.js';
import type { ContainerState, Engine } from '../src/container.js';
import { connectDocker } from '../src/docker.js';
import { registrations, type Registered, type RegistrationOptions } from '../src/registrations.js';
import { DockerWatch } from '../src/watch.js';

/** Milliseconds; a container takes seconds where the kernel is a program. */
export const PATIENCE = 60_000;

/** Registration options as a plain command line has them. */
export const OPTIONS: RegistrationOptions = {
  hostName: 'host1',
  network: undefined,
  requireExposed: false,
  hostAddresses: {},
  allowFrontend: [],
  routeNetworks: [],
  routeGateway4: undefined,
  routeGateway6: undefined,
  routeMethod: undefined,
};

export interface Value {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly tcp?: number;
  readonly weight: number;
  readonly container: string;
}

/** The agent's first half on a real Docker: what it would register at this moment. */
export class Observer implements AsyncDisposable {
  registered: Registered | undefined;
  /** All that it would have registered at any moment so far. */
  readonly history: Registered[] = [];
  /** Ids of all inspects asked for, in order. */
  readonly inspected: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(endpoint: string, options: Partial<RegistrationOptions> & { readonly minUptime?: number } = {}) {
    const engine = connectDocker(endpoint, {});
    const counting: Engine = {
      ...engine,
      inspect: (id, signal) => {
        this.inspected.push(id);
        return engine.inspect(id, signal);
      },
    };
    const settings = { ...OPTIONS, ...options };
    const watch = new DockerWatch({
      engine: counting,
      clock: systemClock,
      log: createLogger({ level: 'error', format: 'json', stream: new Writable({ write: (_c, _e, done) => done() }) }),
      resync: 60_000,
      parallel: 8,
      minUptime: options.minUptime ?? 0,
      networks: settings.routeNetworks,
      onView: (view) => {
        this.registered = registrations(view, settings);
        this.history.push(this.registered);
      },
    });
    this.#running = watch.run(this.#stop.signal);
  }

  /** The backend of a service that has one at most. */
  backend(service: string, registered = this.registered): Value | undefined {
    for (const [path, value] of registered?.entries ?? []) {
      const key = parseKey(path);
      if (key.kind !== 'backend' || key.service !== service) continue;
      const backend: Value = JSON.parse(value);
      return backend;
    }
    return undefined;
  }

  weight(service: string): number | undefined {
    return this.backend(service)?.weight;
  }

  /** Every weight that a service had so far, in order, without repetitions; undefined = was not registered. */
  weights(service: string): (number | undefined)[] {
    const all = this.history.map((registered) => this.backend(service, registered)?.weight);
    return all.filter((weight, index) => index === 0 || weight !== all[index - 1]);
  }

  async listed(): Promise<void> {
    await until('Docker has been listed', () => this.registered !== undefined, PATIENCE);
  }

  async hasWeight(service: string, weight: number): Promise<void> {
    await until(`${service} has weight ${weight}`, () => this.weight(service) === weight, PATIENCE);
  }

  async isGone(service: string): Promise<void> {
    await until(`${service} is not registered`, () => this.backend(service) === undefined, PATIENCE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

/** A running container of a service, for tables to vary. */
export function container(overrides: Partial<ContainerState> = {}): ContainerState {
  return {
    id: 'c1'.padEnd(64, '0'),
    name: 'web-1',
    labels: { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80' },
    status: 'running',
    health: 'none',
    createdAt: 1_000,
    startedAt: 1_000,
    stopSignal: 15,
    networkMode: 'default',
    attachments: [{ network: 'bridge', ipv4: '172.17.0.2' }],
    published: [],
    exposed: [],
    ...overrides,
  };
}
