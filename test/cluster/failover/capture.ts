import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../fixtures/until.js';
import type { Place } from '../place.js';
import { flowKey } from './conversation.js';

/** One packet of a client's on its way to a balancer. */
export interface Packet {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The next hop's Ethernet address. */
  readonly to: string;
  /** By `flowKey`. */
  readonly flow: string;
}

/** Enough for the headers of either family. */
const SNAPSHOT = 96;

/** Writes down what leaves a place by one of its networks for a TCP port. What a kernel says of packets that it has not seen is no proof. */
export class Capture implements AsyncDisposable {
  readonly #place: Place;
  readonly #child: ChildProcess;
  readonly #file: string;

  private constructor(place: Place, child: ChildProcess, file: string) {
    this.#place = place;
    this.#child = child;
    this.#file = file;
  }

  static async start(place: Place, network: string, port: number, directory: string): Promise<Capture> {
    const file = join(directory, `${place.name}-${network}.pcap`);
    await rm(file, { force: true });
    const options = ['-Z', 'root', '--immediate-mode', '-U', '-s', String(SNAPSHOT), '-Q', 'out', '-i', network];
    const child = place.spawn(['tcpdump', ...options, '-w', file, `tcp dst port ${port}`], { log: 'capture' });
    // The file's header comes when it listens.
    await until('packets are captured', async () => (await stat(file).catch(() => undefined))?.size);
    return new Capture(place, child, file);
  }

  /** Ends it. */
  async stop(): Promise<readonly Packet[]> {
    await this[Symbol.asyncDispose]();
    return readPackets(await this.#place.run('tcpdump', '-enntt', '-r', this.#file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exit;
  }
}

const LINE = /^(\d+\.\d+) \S+ > (\S+), ethertype IPv\S+ .*?: \S+\.(\d+) > (\S+)\.(\d+): Flags/gm;

/** From what `tcpdump -enntt` prints. Pure. */
export function readPackets(text: string): Packet[] {
  return Array.from(text.matchAll(LINE), ([, at, to = '', own, address = '', port]) => ({
    at: Number(at) * 1000,
    to,
    flow: flowKey({ target: { address, port: Number(port) }, port: Number(own) }),
  }));
}
