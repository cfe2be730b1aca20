import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrontend, type Frontend, frontendKey } from '@clusterf/model';
import { until } from '../fixtures/until.js';
import { requireMachine } from '../lab/index.js';
import { addressOn, VIRTUAL } from './addresses.js';
import { Client } from './client-process.js';
import { type ClusterDescription, CONTROL, type MachineDescription, type PlaceDescription } from './description.js';
import { EtcdMembers } from './etcd-members.js';
import { ClusterMachine } from './machine.js';
import { ipBatch, Place } from './place.js';
import { PATIENCE, Router } from './router.js';
import { birdDefinitions, insideLines, networkLines, placeLines, places } from './wiring.js';

export interface ClusterOptions {
  /** How long registrations outlive their host, in milliseconds; default 4000. */
  readonly ttl?: number;
  /** Told of each part that is ready. */
  readonly report?: (part: string) => void;
}

/** A description, built and running. Everything it did to the machine is undone when it is disposed of. */
export class Cluster implements AsyncDisposable {
  readonly etcd: EtcdMembers;
  readonly #description: ClusterDescription;
  readonly #directory: string;
  readonly #options: Required<ClusterOptions>;
  readonly #places = new Map<string, Place>();
  readonly #machines = new Map<string, ClusterMachine>();
  readonly #clients = new Map<string, Client>();
  #router: Router | undefined;

  private constructor(description: ClusterDescription, directory: string, options: Required<ClusterOptions>) {
    this.#description = description;
    this.#directory = directory;
    this.#options = options;
    for (const [name, { networks }] of places(description))
      this.#places.set(name, new Place(name, networks, directory));
    const seats = [...places(description)]
      .filter(([name]) => /^etcd\d$/.test(name))
      .map(([name, place]) => ({
        place: this.place(name),
        address: addressOn(description, CONTROL, place).ipv4,
      }));
    this.etcd = new EtcdMembers(seats, directory);
  }

  /** Builds it and starts everything. Runs in a machine of the lab, as root. */
  static async start(description: ClusterDescription, options: ClusterOptions = {}): Promise<Cluster> {
    requireMachine();
    const directory = await mkdtemp(join(tmpdir(), 'clusterf-cluster-'));
    const cluster = new Cluster(description, directory, { ttl: 4000, report: () => {}, ...options });
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      // Of what is half there not all can be taken away; the error says more than what follows of it.
      await cluster[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  place(name: string): Place {
    return found(this.#places, name, 'place');
  }

  /** Whether there is such a place now. */
  has(name: string): boolean {
    return this.#places.has(name);
  }

  machine(name: string): ClusterMachine {
    return found(this.#machines, name, 'machine');
  }

  client(name = 'client'): Client {
    return found(this.#clients, name, 'client');
  }

  get router(): Router {
    if (this.#router === undefined) throw new RangeError('the cluster has no router');
    return this.#router;
  }

  /** Where the processes' logs are. */
  get directory(): string {
    return this.#directory;
  }

  /** Adds a machine while all others run. */
  async add(name: string, machine: MachineDescription): Promise<ClusterMachine> {
    this.#places.set(name, new Place(name, machine.networks, this.#directory));
    await ipBatch(placeLines(this.#description, name, machine));
    await this.#furnish(name, machine);
    return await this.#startMachine(name, machine);
  }

  /** A machine's power goes. */
  async destroy(name: string): Promise<void> {
    await this.machine(name).destroy();
    this.#machines.delete(name);
    this.#places.delete(name);
  }

  /**
   * Publishes a service and waits until it can be reached: the router has a path to each of these balancers.
   *
   * @param through machines that announce its addresses
   */
  async publish(service: string, frontend: Frontend, through: readonly string[]): Promise<void> {
    await this.etcd.put(frontendKey(service), encodeFrontend(frontend));
    await this.reachable(frontend, through);
  }

  /** Waits until the router spreads a service's addresses over exactly these machines. */
  async reachable({ ipv4, ipv6 }: Frontend, through: readonly string[]): Promise<void> {
    const addresses = through.map((name) => this.machine(name).address);
    if (ipv4 !== undefined)
      await this.router.spreads(
        ipv4,
        addresses.map((address) => address.ipv4),
      );
    if (ipv6 !== undefined)
      await this.router.spreads(
        ipv6,
        addresses.map((address) => address.ipv6),
      );
  }

  /** Waits until a machine's kernel has so many destinations of weight above 0 in all of a service's addresses. */
  async balanced(machine: string, { ipv4, ipv6 }: Frontend, destinations: number): Promise<void> {
    const virtual = [ipv4, ipv6 && `[${ipv6}]`].filter((address) => address !== undefined);
    let table: string[] = [];
    await until(
      `${machine} has ${destinations} destinations for each of ${virtual.join(' ')}`,
      async () => {
        table = await this.machine(machine).table();
        const services = table.filter(
          (line) => line.startsWith('-A') && virtual.some((at) => line.includes(` ${at}:`)),
        );
        const counts = services.map((line) => {
          const id = line.split(' ').slice(1, 3).join(' ');
          return table.filter((other) => other.startsWith(`-a ${id} `) && !weighs(other, 0)).length;
        });
        return counts.length > 0 && counts.every((count) => count === destinations);
      },
      ...PATIENCE,
    ).catch((cause: unknown) => {
      const log = this.machine(machine).balancer.text();
      throw new Error(`${machine} has only\n${table.join('\n')}\nand its agent says\n${log}`, { cause });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines.values()) await machine.destroy();
    for (const name of this.#machines.keys()) this.#places.delete(name);
    this.#machines.clear();
    for (const place of this.#places.values()) await place.destroy().catch(() => undefined);
    await ipBatch(Object.keys(this.#description.networks).map((name) => `link delete ${name}`)).catch(() => undefined);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const description = this.#description;
    const all = [...places(description)];
    await ipBatch([
      ...networkLines(description),
      ...all.flatMap(([name, place]) => placeLines(description, name, place)),
    ]);
    await Promise.all(all.map(async ([name, place]) => await this.#furnish(name, place)));
    this.#options.report('networks');
    const router =
      description.router === undefined ? undefined : Router.start(this.place('router'), description, this.#directory);
    for (const name of Object.keys(description.clients)) this.#clients.set(name, new Client(this.place(name)));
    await Promise.all([this.etcd.start(), router]);
    this.#router = await router;
    this.#options.report('etcd, router');
    await Promise.all(
      Object.entries(description.machines).map(async ([name, machine]) => await this.#startMachine(name, machine)),
    );
  }

  async #furnish(name: string, place: PlaceDescription): Promise<void> {
    await this.place(name).ip(...insideLines(this.#description, place));
  }

  async #startMachine(name: string, description: MachineDescription): Promise<ClusterMachine> {
    const machine = new ClusterMachine(this.place(name), description, {
      cluster: this.#description,
      source: this.etcd.source,
      directory: this.#directory,
      ttl: this.#options.ttl,
      definitions: birdDefinitions(this.#description, description, VIRTUAL),
    });
    this.#machines.set(name, machine);
    await machine.start();
    this.#options.report(name);
    return machine;
  }
}

/** Whether a line of `ipvsadm -Sn` is a destination of this weight; a tunnel's type may follow. */
export function weighs(line: string, weight: number): boolean {
  return line.startsWith('-a ') && `${line} `.includes(` -w ${weight} `);
}

function found<T>(map: ReadonlyMap<string, T>, name: string, what: string): T {
  const value = map.get(name);
  if (value === undefined)
    throw new RangeError(`the cluster has no ${what} ${name}; it has ${[...map.keys()].join(' ')}`);
  return value;
}
