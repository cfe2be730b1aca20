import { constants } from 'node:fs';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import type { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { errorCode, type Logger, toError } from '@clusterf/daemon';
import { parseAddress, type Prefix, prefixContains, type Problem } from '@clusterf/model';
import * as z from 'zod';
import type { StateFile } from '../state-file.js';

const NONE: readonly string[] = [];

/** How to load the memory of what ports of bridges were set: `StateDirectory.load(HAIRPIN_PORTS)`. */
export const HAIRPIN_PORTS = { name: 'hairpin-ports', schema: z.array(z.string()).readonly(), empty: NONE };

export interface HairpinPortsParts {
  readonly prefixes: readonly Prefix[];
  /** What was set from here, as {@link HAIRPIN_PORTS} says. */
  readonly state: StateFile<readonly string[]>;
  readonly log: Logger;
  /** `os.networkInterfaces`: of a bridge that has a port in use it tells the addresses. */
  readonly interfaces: typeof networkInterfaces;
  /** What kind of device it is; undefined if it is gone. */
  readonly kind: (device: string) => Promise<string | undefined>;
}

/** A port that does not send back what came in by it. */
interface Port {
  readonly name: string;
  readonly file: string;
}

const DEVICES = '/sys/class/net';
/** Whether IP frames that pass a bridge are shown to iptables: br_netfilter, which Docker before 27.3 always loads. */
const SHOWN_TO_IPTABLES = [
  '/proc/sys/net/bridge/bridge-nf-call-iptables',
  '/proc/sys/net/bridge/bridge-nf-call-ip6tables',
];

/**
 * Lets bridges send frames back to the container that they came from.
 *
 * With br_netfilter the answer of a container to itself gets its destination back while it is on the bridge: it is
 * not brought up to IP any more but goes on to where its new destination is, the port that it came in by, where a
 * bridge drops it. Docker sets the same for its networks if it has no userland proxy, and so does kube-router.
 *
 * Only ports that are ends of containers (veth) are set: others lead to networks in which frames that come back are loops.
 */
export class HairpinPorts {
  readonly #parts: HairpinPortsParts;
  /** Looked at since the last thorough look. */
  readonly #seen = new Set<string>();
  #problem: string | undefined;

  constructor(parts: HairpinPortsParts) {
    this.#parts = parts;
  }

  /** Those that were set from here. */
  get ports(): readonly string[] {
    return this.#parts.state.value;
  }

  get problems(): readonly Problem[] {
    return this.#problem === undefined ? [] : [{ source: 'kernel', key: 'hairpin_mode', message: this.#problem }];
  }

  /** Sets the ports that need it. @param thorough look also at those that were seen before */
  async keep({ thorough }: { readonly thorough: boolean }): Promise<void> {
    if (thorough) this.#seen.clear();
    const todo = await this.#todo();
    if (thorough) this.#problem = undefined;
    const present = thorough ? await this.#present() : this.ports;
    if (todo.length > 0 || present.length < this.ports.length)
      await this.#remember([...present, ...todo.map(({ name }) => name)]);
    for (const { name, file } of todo) {
      const refused = await write(file, '1');
      if (refused === undefined) this.#parts.log.info('bridge sends back to its port', { port: name });
      else this.#problem = `not set for the port ${name}, so its container does not reach itself: ${refused}`;
    }
  }

  /** The names of those that `keep` would set. */
  async rehearse(): Promise<readonly string[]> {
    this.#seen.clear();
    return (await this.#todo()).map(({ name }) => name);
  }

  /** Sets back what was set from here. */
  async remove(): Promise<void> {
    for (const name of await this.#present()) await write(join(DEVICES, name, 'brport', 'hairpin_mode'), '0');
    await this.#remember([]);
  }

  async #todo(): Promise<readonly Port[]> {
    if (!(await shownToIptables())) return [];
    const todo: Port[] = [];
    for (const bridge of this.#bridges()) {
      for (const name of await entries(join(DEVICES, bridge, 'brif'))) {
        if (this.#seen.has(name)) continue;
        this.#seen.add(name);
        const file = join(DEVICES, name, 'brport', 'hairpin_mode');
        if ((await read(file)) === '0' && (await this.#parts.kind(name)) === 'veth') todo.push({ name, file });
      }
    }
    return todo;
  }

  /** Devices with an address in one of the networks; which of them are bridges shows when their ports are read. */
  #bridges(): readonly string[] {
    const prefixes = this.#parts.prefixes.filter(({ length }) => length > 0);
    return Object.entries(this.#parts.interfaces()).flatMap(([name, addresses = []]) =>
      addresses.some(({ address: text }) => {
        const address = parseAddress(text);
        return address.ok && prefixes.some((prefix) => prefixContains(prefix, address.value));
      })
        ? [name]
        : [],
    );
  }

  /** Of those that were set, the ones that are still there. */
  async #present(): Promise<string[]> {
    const present: string[] = [];
    for (const name of this.ports)
      if ((await read(join(DEVICES, name, 'brport', 'hairpin_mode'))) !== undefined) present.push(name);
    return present;
  }

  async #remember(ports: readonly string[]): Promise<void> {
    await this.#parts.state.write([...new Set(ports)].toSorted());
  }
}

async function shownToIptables(): Promise<boolean> {
  for (const file of SHOWN_TO_IPTABLES) if ((await read(file)) === '1') return true;
  return false;
}

async function entries(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => []);
}

async function read(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** @returns why not, or undefined; also for a port that is gone by now */
async function write(file: string, text: string): Promise<string | undefined> {
  try {
    const handle = await open(file, constants.O_WRONLY);
    try {
      await writeFile(handle, text);
    } finally {
      await handle.close();
    }
    return undefined;
  } catch (thrown) {
    const error = toError(thrown);
    const code = errorCode(error) ?? '';
    if (['ENOENT', 'ENODEV'].includes(code)) return undefined;
    return code === 'EROFS' ? '/sys is read-only here (EROFS)' : error.message;
  }
}
