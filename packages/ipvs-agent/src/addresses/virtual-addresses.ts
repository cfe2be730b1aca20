import type { Logger } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { StateFile } from '../state-file.js';
import { Bindings } from './bindings.js';
import type { AddressDrift } from './device.js';
import { Rtnetlink } from './rtnetlink.js';
import type { AddressesState } from './state.js';

export interface VirtualAddressesOptions {
  /** `--vip-interface`; undefined binds nothing, and leaves what an earlier run bound where it is. */
  readonly interface: string | undefined;
  /** Of `AddressesState`: what is ours on which device. */
  readonly state: StateFile<AddressesState>;
  /** The etcd at that address that our configuration is read from, as the source names it: not to be bound. */
  readonly etcdAt: (address: string) => string | undefined;
  readonly log: Logger;
}

export interface VirtualAddressesState {
  readonly interface: string | undefined;
  /** Ours, in the kernel. */
  readonly bound: readonly string[];
  /** On the device and not ours: single addresses plain, others with their length. */
  readonly foreign: readonly string[];
  /** Wanted, and left to the device of this machine that has them already: `10.0.0.5 on eth0`. */
  readonly elsewhere: readonly string[];
  readonly problems: readonly Problem[];
  /** What others undid, since the start. */
  readonly drift: Readonly<AddressDrift>;
}

/**
 * The virtual addresses of this balancer on a device of their own, from which routing daemons announce them.
 *
 * To be called in every pass, one call at a time: `bind` once what is new has been made, `unbind` before anything is
 * removed. Neither throws for what the kernel refuses: that is a problem, tried again after the next `resync`. Where
 * nothing changes neither makes a system call.
 */
export class VirtualAddresses implements Disposable {
  /** `--vip-interface` */
  readonly interface: string | undefined;
  readonly #state: StateFile<AddressesState>;
  readonly #rtnetlink = new Rtnetlink();
  readonly #bindings: Bindings | undefined;
  /** Devices of earlier runs with another `--vip-interface`, until nothing of ours is left on them. */
  #former: readonly Bindings[] = [];

  private constructor({ interface: name, state, etcdAt, log }: VirtualAddressesOptions) {
    this.interface = name;
    this.#state = state;
    const isLeaving = (address: string) => this.#former.some((former) => former.has(address));
    const parts = { rtnetlink: this.#rtnetlink, log, isLeaving, etcdAt, remember: async () => await this.#remember() };
    const { devices } = state.value;
    const known = devices.find((device) => device.interface === name);
    this.#bindings =
      name === undefined ? undefined : new Bindings(known ?? { interface: name, made: null, addresses: [] }, parts);
    this.#former = devices.filter((device) => device !== known).map((device) => new Bindings(device, parts));
    if (name === undefined)
      for (const device of devices)
        log.warn('addresses that an earlier run bound are left: no --vip-interface is given to keep them', {
          ...device,
        });
  }

  /** Asks the kernel for nothing yet. */
  static open(options: VirtualAddressesOptions): VirtualAddresses {
    return new VirtualAddresses(options);
  }

  /** Makes the device if there is none and adds what is missing. What is wanted and there already is ours from now on. */
  async bind(wanted: ReadonlySet<string>): Promise<void> {
    await this.#bindings?.bind(wanted);
  }

  /** Removes ours that are not to be kept, and all on devices in whose place another has come. */
  async unbind(keep: ReadonlySet<string>): Promise<void> {
    await this.#bindings?.unbind(keep);
    // Only once their successor stands: an option left out by mistake takes nothing away.
    if (this.#bindings?.usable) await this.#withdrawFormer();
  }

  /**
   * Removes all of ours, and devices that we made if nobody else has put anything on them: `--exit-withdraw`, and a
   * balancer that is drained. The next `bind` makes them again.
   */
  async withdraw(): Promise<void> {
    this.resync();
    await this.#bindings?.withdraw();
    await this.#withdrawFormer();
  }

  /** What `bind` and `unbind` would do: `--noop`. */
  async preview(
    wanted: ReadonlySet<string>,
  ): Promise<{ readonly bind: readonly string[]; readonly unbind: readonly string[] }> {
    return (await this.#bindings?.preview(wanted)) ?? { bind: [], unbind: [] };
  }

  /** The next call looks at the devices, repairs what others undid, and tries again what was refused. */
  resync(): void {
    for (const bindings of this.#all) bindings.resync();
  }

  get state(): VirtualAddressesState {
    return {
      interface: this.interface,
      bound: this.#bindings?.bound ?? [],
      foreign: this.#bindings?.foreign ?? [],
      elsewhere: this.#bindings?.elsewhere ?? [],
      problems: this.problems,
      drift: this.#bindings?.drift ?? { deleted: 0, down: 0, addresses: 0 },
    };
  }

  /** How many are ours, and so are or may be bound: none only once all are known to be gone. */
  get held(): number {
    return this.#all.reduce((sum, { held }) => sum + held, 0);
  }

  get problems(): readonly Problem[] {
    return this.#all.flatMap(({ problems }) => problems);
  }

  /** Leaves everything in the kernel as it is. */
  close(): void {
    this.#rtnetlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #all(): readonly Bindings[] {
    return this.#bindings === undefined ? this.#former : [this.#bindings, ...this.#former];
  }

  async #withdrawFormer(): Promise<void> {
    if (this.#former.length === 0) return;
    for (const bindings of this.#former) await bindings.withdraw();
    this.#former = this.#former.filter(({ clean }) => !clean);
  }

  /** State that cannot be written keeps nothing from being bound: what the tree names is known by that after a restart. */
  async #remember(): Promise<void> {
    const devices = this.#all.filter(({ clean }) => !clean).map(({ state }) => state);
    await this.#state.write({ version: 1, devices });
  }
}
