/**
 * Where the configuration itself comes from. A virtual service on an etcd's address and port takes our own
 * connections to it too (IPVS schedules what the machine sends as well), and an etcd's address on a device of ours
 * makes the machine take itself for etcd: either way this balancer would never again be told to take it back.
 */
import { type Clock, delay } from '@clusterf/daemon';
import type { VirtualServiceId } from '@clusterf/ipvs';
import { parseAddress } from '@clusterf/model';

export interface EtcdEndpointsOptions {
  /** `HOST:PORT` of all etcd sources, IPv6 in brackets. */
  readonly hosts: readonly string[];
  /** The addresses a name has now. */
  readonly lookUp: (name: string) => Promise<readonly string[]>;
  readonly clock: Clock;
}

/** Milliseconds for a look at all names; a pass waits for it. */
const LONGEST_LOOK = 1000;

interface Endpoint {
  /** As the source has it. */
  readonly host: string;
  readonly name: string;
  readonly port: number;
}

/** The addresses and ports of every etcd that is followed. A name that cannot be looked up keeps what it had. */
export class EtcdEndpoints {
  readonly #options: EtcdEndpointsOptions;
  readonly #endpoints: readonly Endpoint[];
  /** By name. */
  readonly #addresses = new Map<string, ReadonlySet<string>>();

  constructor(options: EtcdEndpointsOptions) {
    this.#options = options;
    this.#endpoints = options.hosts.map((host) => {
      const [, bracketed, plain = '', port] = /^(?:\[(.*)\]|(.*)):(\d+)$/.exec(host) ?? [];
      return { host, name: bracketed ?? plain, port: Number(port) };
    });
    for (const { name } of this.#endpoints) {
      const address = parseAddress(name);
      if (address.ok) this.#addresses.set(name, new Set([address.value.text]));
    }
  }

  /** Looks up what names stand for. @returns whether that is not what it was */
  async refresh(): Promise<boolean> {
    const { clock, lookUp } = this.#options;
    const names = new Set(this.#endpoints.map(({ name }) => name).filter((name) => !parseAddress(name).ok));
    if (names.size === 0) return false;
    const before = this.#text;
    const late = new AbortController();
    const looks = [...names].map(async (name) => {
      const found = (await lookUp(name).catch(() => [])).map((text) => parseAddress(text));
      const addresses = found.flatMap((address) => (address.ok ? [address.value.text] : []));
      if (addresses.length > 0 && !late.signal.aborted) this.#addresses.set(name, new Set(addresses));
    });
    const done = new AbortController();
    await Promise.race([Promise.all(looks), delay(clock, LONGEST_LOOK, done.signal)]);
    done.abort();
    late.abort();
    return this.#text !== before;
  }

  /** The etcd that a virtual service would cut this machine off from, as the source names it. */
  servedAt(id: VirtualServiceId): string | undefined {
    if ('fwmark' in id || id.protocol !== 'tcp') return undefined;
    return this.#endpoints.find(({ name, port }) => port === id.port && this.#has(name, id.address))?.host;
  }

  /** The etcd at that address, on whatever port, as the source names it. */
  at(address: string): string | undefined {
    return this.#endpoints.find(({ name }) => this.#has(name, address))?.host;
  }

  #has(name: string, address: string): boolean {
    return this.#addresses.get(name)?.has(address) === true;
  }

  get #text(): string {
    return [...this.#addresses]
      .map(([name, addresses]) => `${name} ${[...addresses].toSorted().join()}`)
      .toSorted()
      .join('\n');
  }
}
