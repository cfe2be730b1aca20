import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type EtcdGateway, etcdGateway } from '../fixtures/etcd-gateway.js';
import { until } from '../fixtures/until.js';
import type { Place } from './place.js';

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const HEALTHY_WITHIN = 60_000;

export interface EtcdSeat {
  readonly place: Place;
  readonly address: string;
}

/** An etcd in a place of its own, one of those that make up the cluster's store. */
export class EtcdMember {
  readonly place: Place;
  readonly url: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;

  constructor(seat: EtcdSeat, all: readonly EtcdSeat[], directory: string) {
    const data = join(directory, `${seat.place.name}.data`);
    const peer = ({ address }: EtcdSeat) => `http://${address}:${PEER_PORT}`;
    this.place = seat.place;
    this.url = `http://${seat.address}:${CLIENT_PORT}`;
    this.#flags = [
      ['--name', seat.place.name],
      ['--data-dir', data],
      ['--listen-client-urls', this.url],
      ['--advertise-client-urls', this.url],
      ['--listen-peer-urls', peer(seat)],
      ['--initial-advertise-peer-urls', peer(seat)],
      ['--initial-cluster', all.map((other) => `${other.place.name}=${peer(other)}`).join(',')],
      // A single member need not wait for others to vote; three on one CPU need the defaults.
      all.length === 1 ? ['--heartbeat-interval', '20', '--election-timeout', '200'] : [],
      ['--logger', 'zap', '--log-level', 'error'],
    ].flat();
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** On its data, after `stop`. */
  start(): void {
    this.#child = this.place.spawn(['etcd', ...this.#flags], { log: 'etcd' });
  }

  /** Waits until it can do something: it and its peers have a leader. */
  async healthy(): Promise<void> {
    const url = `${this.url}/health`;
    await until(`${url} is good`, async () => (await fetch(url)).ok, HEALTHY_WITHIN).catch(async (cause: unknown) => {
      throw new Error(await this.place.log('etcd'), { cause });
    });
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}

/** The cluster's store: one member or three, and a way for tests to read and write it. */
export class EtcdMembers {
  readonly members: readonly EtcdMember[];
  /** As agents take it: `etcd://10.9.0.31:2379,…/clusterf`. */
  readonly source: string;
  readonly gateway: EtcdGateway;

  constructor(seats: readonly EtcdSeat[], directory: string) {
    this.members = seats.map((seat) => new EtcdMember(seat, seats, directory));
    this.source = `etcd://${seats.map(({ address }) => `${address}:${CLIENT_PORT}`).join(',')}/clusterf`;
    this.gateway = etcdGateway(this.members.map(({ url }) => url));
  }

  async start(): Promise<void> {
    for (const member of this.members) member.start();
    await Promise.all(this.members.map(async (member) => await member.healthy()));
  }

  /** @param path below the prefix; a value that is not text is written as JSON */
  async put(path: string, value: unknown): Promise<void> {
    await this.gateway.put(`/clusterf/${path}`, typeof value === 'string' ? value : JSON.stringify(value));
  }

  async remove(path: string): Promise<void> {
    await this.gateway.remove(`/clusterf/${path}`);
  }
}
