import type { Fields } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import { isIPv6 } from './bytes.js';
import { type AddressDrift, Device, type DeviceParts, type Present, type View } from './device.js';
import { Elsewhere } from './elsewhere.js';
import { Refusals } from './refusals.js';
import type { RtnetlinkError } from './rtnetlink-error.js';
import type { DeviceState } from './state.js';
import { unsuitable } from './unsuitable.js';

/** Against somebody who deletes the device as fast as we make it. */
const MAX_ROUNDS = 3;

/**
 * The addresses on one device that are ours.
 *
 * INVARIANTS
 * - An address is remembered as ours before it is added, and until it is gone.
 * - Only ours are removed. One that is there already and wanted is ours from then on.
 * - The device is asked for once after each `resync`; in between what is known is taken for true, and what was refused is
 *   not tried again.
 */
export class Bindings {
  readonly #device: Device;
  readonly #parts: DeviceParts;
  readonly #ours: Set<string>;
  readonly #refusals: Refusals;
  readonly #elsewhere: Elsewhere;
  /** What was said last of foreign addresses, and of which view. */
  #said: { readonly view?: View; readonly foreign: string } = { foreign: '' };

  constructor({ interface: name, made, addresses }: DeviceState, parts: DeviceParts) {
    this.#parts = parts;
    this.#ours = new Set(addresses);
    this.#device = new Device(name, made ?? undefined, (address) => this.#ours.has(address), parts);
    this.#refusals = new Refusals(name);
    this.#elsewhere = new Elsewhere(name, parts);
  }

  /** What is to survive a restart. */
  get state(): DeviceState {
    const { name, made = null } = this.#device;
    return { interface: name, made, addresses: [...this.#ours].toSorted() };
  }

  /** Whether nothing is ours, neither addresses nor the device. */
  get clean(): boolean {
    return this.#device.made === undefined && this.#ours.size === 0;
  }

  /** How many are ours, and so may be there, whatever is known of the device just now. */
  get held(): number {
    return this.#ours.size;
  }

  get usable(): boolean {
    return this.#device.view?.kind === 'present';
  }

  get drift(): Readonly<AddressDrift> {
    return this.#device.drift;
  }

  /** Ours that are there. */
  get bound(): readonly string[] {
    const { view } = this.#device;
    return view?.kind === 'present' ? [...this.#ours].filter((address) => view.addresses.has(address)) : [];
  }

  /** There, and not ours. */
  get foreign(): readonly string[] {
    const { view } = this.#device;
    if (view?.kind !== 'present') return [];
    return [...[...view.addresses].filter((address) => !this.#ours.has(address)), ...view.ranges];
  }

  /** Wanted, and on another device of this machine. */
  get elsewhere(): readonly string[] {
    return this.#elsewhere.left;
  }

  /** Whether the address is remembered as ours. */
  has(address: string): boolean {
    return this.#ours.has(address);
  }

  get problems(): readonly Problem[] {
    const { name, view } = this.#device;
    const own = view?.kind === 'unusable' ? [{ source: 'kernel', key: name, message: view.reason }] : [];
    return [...own, ...this.#elsewhere.problems, ...this.#refusals.problems];
  }

  /** From here on nothing is taken for known: the next call looks at the device and tries again what was refused. */
  resync(): void {
    this.#device.forget();
    this.#refusals.clear();
    this.#elsewhere.forget();
  }

  /** Makes the device if there is none, and adds what is missing. */
  async bind(wanted: ReadonlySet<string>): Promise<void> {
    for (let round = 1; round <= MAX_ROUNDS; round += 1) {
      const view = await this.#device.look({ make: true });
      if (view.kind !== 'present') return;
      const missing: string[] = [];
      const claimed = this.#ours.size;
      const { isLeaving } = this.#parts;
      for (const address of await this.#elsewhere.leave(view, wanted, (each) => this.#isOurs(each), isLeaving)) {
        if (view.addresses.has(address)) this.#refusals.delete(address);
        else if (!this.#refusals.has(address, 'bound')) missing.push(address);
        this.#ours.add(address);
      }
      if (this.#ours.size > claimed) await this.#parts.remember();
      await this.#add(view, missing);
      this.#sayForeign(view);
      if (this.#device.view === view) return;
    }
  }

  /** Removes ours that are not to be kept. */
  async unbind(keep: ReadonlySet<string>): Promise<void> {
    const going: string[] = [];
    for (const address of this.#ours)
      if (!keep.has(address) && !this.#refusals.has(address, 'removed')) going.push(address);
    if (going.length === 0) return;
    const view = await this.#device.look({ make: false });
    if (view.kind === 'unusable') return;
    if (view.kind === 'present')
      await this.#remove(
        view,
        going.filter((address) => view.addresses.has(address)),
      );
    for (const address of going)
      if (!this.#refusals.has(address, 'removed')) {
        this.#ours.delete(address);
        this.#refusals.delete(address);
      }
    await this.#parts.remember();
  }

  /** Removes all of ours: the whole device, if we made it and nobody else has put anything on it. */
  async withdraw(): Promise<void> {
    if (this.clean) return;
    const view = await this.#device.look({ make: false });
    if (view.kind === 'unusable') return;
    if (view.kind === 'present') {
      if (view.index !== this.#device.made || this.foreign.length > 0) return await this.unbind(new Set());
      if (!(await this.#device.remove(view))) return;
      this.#parts.log.info('device removed', { ...this.#where, addresses: this.#ours.size });
    }
    this.#ours.clear();
    await this.#parts.remember();
  }

  /** What `bind` and `unbind` would do, without doing it. */
  async preview(wanted: ReadonlySet<string>): Promise<{ readonly bind: string[]; readonly unbind: string[] }> {
    const view = await this.#device.look({ make: false });
    const there = view.kind === 'present' ? view.addresses : new Set<string>();
    return {
      bind: [...wanted].filter((address) => !there.has(address) && this.#isBindable(address, view)),
      unbind: [...this.#ours].filter((address) => !wanted.has(address) && there.has(address)),
    };
  }

  #isOurs(address: string): boolean {
    return this.#ours.has(address) || this.#parts.isLeaving(address);
  }

  #isBindable(address: string, view: View): boolean {
    const isElsewhere = view.kind === 'present' && view.elsewhere.has(address) && !this.#isOurs(address);
    return !isElsewhere && this.#unsuitable(address) === undefined;
  }

  /** Why the address must not be bound, undefined if it may be. */
  #unsuitable(address: string): string | undefined {
    const etcd = this.#parts.etcdAt(address);
    if (etcd === undefined) return unsuitable(address);
    return `it is the address of etcd (${etcd}), which could not be reached from this machine any more`;
  }

  get #where(): Fields {
    return { interface: this.#device.name };
  }

  async #add(view: Present, addresses: readonly string[]): Promise<void> {
    const suitable = addresses.filter((address) => {
      const reason = this.#unsuitable(address);
      if (reason !== undefined) this.#refusals.add(address, 'bound', reason);
      return reason === undefined;
    });
    for (const family of [suitable.filter((each) => !isIPv6(each)), suitable.filter(isIPv6)]) {
      // What is wrong with all of a family is not tried ten thousand times.
      const [error] = await this.#parts.rtnetlink.add(view.index, family.slice(0, 1));
      this.#added(view, family.slice(0, 1), [error]);
      const rest = family.slice(1);
      const hopeless = error !== undefined && OF_ALL.includes(error.code);
      this.#added(view, rest, hopeless ? rest.map(() => error) : await this.#parts.rtnetlink.add(view.index, rest));
    }
  }

  #added(view: Present, addresses: readonly string[], errors: readonly (RtnetlinkError | undefined)[]): void {
    for (const [i, address] of addresses.entries()) {
      const error = errors[i];
      const range = view.ranges.find((each) => each.startsWith(`${address}/`));
      if (error === undefined) this.#parts.log.info('virtual address bound', { ...this.#where, address });
      if (error === undefined || (error.code === 'EEXIST' && range === undefined)) view.addresses.add(address);
      else if (error.code === 'ENODEV') this.#device.forget();
      else this.#refusals.add(address, 'bound', this.#because(error, address, range));
    }
  }

  #because({ code, reason }: RtnetlinkError, address: string, range: string | undefined): string {
    if (code === 'EEXIST' && range !== undefined) return `somebody has put ${range} on the device`;
    if (code === 'EACCES' && isIPv6(address))
      return `IPv6 is disabled on the device: sysctl net.ipv6.conf.${this.#device.name}.disable_ipv6=0`;
    return reason;
  }

  async #remove(view: Present, addresses: readonly string[]): Promise<void> {
    const errors = await this.#parts.rtnetlink.remove(view.index, addresses);
    for (const [i, address] of addresses.entries()) {
      const error = errors[i];
      if (error === undefined) this.#parts.log.info('virtual address removed', { ...this.#where, address });
      if (error?.code === 'ENODEV') this.#device.forget();
      else if (error === undefined || error.code === 'EADDRNOTAVAIL') view.addresses.delete(address);
      else this.#refusals.add(address, 'removed', error.reason);
    }
  }

  /** Once wanted addresses have become ours, and once for each look. */
  #sayForeign(view: Present): void {
    if (this.#said.view === view) return;
    const { foreign } = this;
    const before = this.#said.foreign;
    this.#said = { view, foreign: foreign.join(' ') };
    if (this.#said.foreign === before || foreign.length === 0) return;
    this.#parts.log.info('addresses that are not ours are left alone', { ...this.#where, addresses: foreign });
  }
}

/** What is refused so is refused to all addresses of the family: no rights, IPv6 disabled, no IPv6 at all. */
const OF_ALL: readonly string[] = ['EPERM', 'EACCES', 'ENOTSUP', 'ENODEV', 'ETIMEDOUT'];
