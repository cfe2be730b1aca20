import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Backend, backendKey, encodeBackend, encodeRoute, routeKey } from '@clusterf/model';
import { projectRoot } from '../lab/index.js';
import { addressIn, type Pair, subnetOf } from './addresses.js';
import { type Containers, SERVER_PORT } from './containers.js';
import type { RouteDescription } from './description.js';
import { ipBatch, Place } from './place.js';
import { containerLines, insideContainerLines } from './wiring.js';

export interface ProcessContainersOptions {
  readonly host: Place;
  /** The host's address, for the routes it advertises. */
  readonly hostAddress: Pair;
  /** Number of the containers' network. */
  readonly network: number;
  readonly route: RouteDescription | undefined;
  /** As agents take it. */
  readonly source: string;
  /** Milliseconds. */
  readonly ttl: number;
  readonly directory: string;
}

interface Running {
  readonly place: Place;
  readonly service: string;
  readonly address: Pair;
  readonly child: ChildProcess;
}

/** Containers without Docker: a network namespace and a process each, registered by the host's registrar. */
export class ProcessContainers implements Containers {
  readonly #options: ProcessContainersOptions;
  readonly #registrar: ChildProcess;
  readonly #running = new Map<string, Running>();
  /** Of the container started next; the host is number 1. */
  #number = 2;

  private constructor(options: ProcessContainersOptions) {
    this.#options = options;
    const script = join(projectRoot(), 'test', 'dist', 'cluster', 'registrar.js');
    const command = [process.execPath, script, options.source, String(options.ttl)];
    this.#registrar = options.host.spawn(command, { log: 'registrar', piped: true });
    this.#publish();
  }

  static async create(options: ProcessContainersOptions): Promise<ProcessContainers> {
    // As dockerd does, and clusterf-ipvs too where there is one.
    await options.host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    return new ProcessContainers(options);
  }

  get names(): readonly string[] {
    return [...this.#running.keys()];
  }

  async start(name: string, service: string): Promise<void> {
    const { host, network, directory } = this.#options;
    const address = addressIn(network, this.#number);
    this.#number += 1;
    await ipBatch([`netns add ${name}`]);
    await host.ip(...containerLines(name));
    const place = new Place(name, [], directory);
    await place.ip(...insideContainerLines(network, address));
    const script = join(projectRoot(), 'test', 'dist', 'e2e', 'server.js');
    const env = { NAME: name, PORT: String(SERVER_PORT) };
    const child = place.spawn([process.execPath, script], { log: 'server', piped: true, env });
    this.#running.set(name, { place, service, address, child });
    if (child.stdout === null) throw new TypeError('its output is a pipe');
    const said = once(createInterface(child.stdout), 'line');
    const ended = once(child, 'exit').then(async () => {
      throw new Error(`container ${name} ended: ${await place.log('server')}`);
    });
    // It may well end later.
    ended.catch(() => undefined);
    await Promise.race([said, ended]);
    this.#publish();
  }

  async stop(name: string): Promise<void> {
    const running = this.#get(name);
    this.#running.delete(name);
    this.#publish();
    const exit = once(running.child, 'exit');
    running.child.kill('SIGTERM');
    await exit;
    await this.#options.host.ip(`link delete ${name}`);
    await ipBatch([`netns delete ${name}`]);
  }

  async addressOf(name: string): Promise<Pair> {
    return this.#get(name).address;
  }

  async destroy(): Promise<void> {
    const places = [...this.#running.values()].map(({ place }) => place);
    this.#running.clear();
    await Promise.all(places.map(async (place) => await place.killProcesses()));
    await ipBatch(places.map(({ name }) => `netns delete ${name}`));
  }

  #get(name: string): Running {
    const running = this.#running.get(name);
    if (running === undefined) throw new RangeError(`there is no container ${name}`);
    return running;
  }

  /** All of it anew: what is registered is always what runs. */
  #publish(): void {
    this.#registrar.stdin?.write(`${JSON.stringify({ ...this.#routes(), ...this.#backends() })}\n`);
  }

  #backends(): Record<string, string> {
    const entries = [...this.#running].map(([container, { service, address }]) => {
      const backend: Backend = {
        ...address,
        tcp: SERVER_PORT,
        udp: SERVER_PORT,
        weight: 10,
        host: this.#options.host.name,
        container,
      };
      return [backendKey(service, container), encodeBackend(backend)] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Named and written as clusterf-docker does with --route-network. */
  #routes(): Record<string, string> {
    const { host, hostAddress, network, route } = this.#options;
    if (route === undefined) return {};
    const entries = (['ipv4', 'ipv6'] as const).map((family) => {
      const value = encodeRoute({
        prefix: subnetOf(network)[family],
        ...(route.viaHost ? { gateway: hostAddress[family] } : {}),
        ipvsMethod: route.method,
        ...(route.tunnel === undefined ? {} : { tunnel: route.tunnel }),
        priority: 0,
      });
      return [routeKey(`${host.name}-containers-${family}`), value] as const;
    });
    return Object.fromEntries(entries);
  }
}
