import type { Logger } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import { isIPv6 } from './bytes.js';
import { Refusals } from './refusals.js';
import type { DeviceAddress, Link, Rtnetlink } from './rtnetlink.js';
import { RtnetlinkError } from './rtnetlink-error.js';
import type { DeviceState } from './state.js';
import { isLinkLocalIPv6, isLoopback, unsuitable } from './unsuitable.js';

export interface DeviceParts {
  readonly rtnetlink: Rtnetlink;
  readonly log: Logger;
  /** Writes down what is ours. Does not throw. */
  readonly remember: () => Promise<void>;
}

/** How often somebody undid what we did. */
export interface AddressDrift {
  /** The device was gone, or another one. */
  deleted: number;
  /** The device was set down. */
  down: number;
  /** Addresses of ours that were gone. */
  addresses: number;
}

/** What the device holds, as far as is known: kept up to date by what the kernel acknowledges. */
interface Present {
  readonly kind: 'present';
  readonly index: number;
  /** Single ones: /32 and /128. */
  readonly addresses: Set<string>;
  /** Others, with their lengths: never ours. */
  readonly ranges: readonly string[];
}
type View = Present | { readonly kind: 'absent' } | { readonly kind: 'unusable'; readonly reason: string };

/** Against somebody who deletes the device as fast as we make it. */
const MAX_ROUNDS = 3;

/**
 * One network device and the addresses on it that are ours.
 *
 * INVARIANTS
 * - An address is remembered as ours before it is added, and until it is gone.
 * - Only ours are removed. One that is there already and wanted is ours from then on.
 * - The device is asked for once after each `resync`; in between what is known is taken for true, and what was refused is
 *   not tried again.
 */
export class Device {
  readonly name: string;
  readonly drift: AddressDrift = { deleted: 0, down: 0, addresses: 0 };
  readonly #parts: DeviceParts;
  readonly #ours: Set<string>;
  /** Index of the device if we made it. */
  #made: number | undefined;
  /** Absent = to be looked at. */
  #view: View | undefined;
  /** What was last known to be there, to tell what others did since. */
  #before: Present | undefined;
  readonly #refusals: Refusals;
  /** What was said last of foreign addresses, and of which look. */
  #said: { readonly view?: View; readonly foreign: string } = { foreign: '' };

  constructor({ interface: name, made, addresses }: DeviceState, parts: DeviceParts) {
    this.name = name;
    this.#parts = parts;
    this.#ours = new Set(addresses);
    this.#made = made ?? undefined;
    this.#refusals = new Refusals(name);
  }

  /** What is to survive a restart. */
  get state(): DeviceState {
    return { interface: this.name, made: this.#made ?? null, addresses: [...this.#ours].toSorted() };
  }

  /** Whether nothing of it is ours. */
  get clean(): boolean {
    return this.#made === undefined && this.#ours.size === 0;
  }

  get usable(): boolean {
    return this.#view?.kind === 'present';
  }

  /** Ours that are there. */
  get bound(): readonly string[] {
    const view = this.#view;
    return view?.kind === 'present' ? [...this.#ours].filter((address) => view.addresses.has(address)) : [];
  }

  /** There, and not ours. */
  get foreign(): readonly string[] {
    const view = this.#view;
    if (view?.kind !== 'present') return [];
    return [...[...view.addresses].filter((address) => !this.#ours.has(address)), ...view.ranges];
  }

  get problems(): readonly Problem[] {
    const view = this.#view;
    const own = view?.kind === 'unusable' ? [{ source: 'kernel', key: this.name, message: view.reason }] : [];
    return [...own, ...this.#refusals.problems];
  }

  /** From here on nothing is taken for known: the next call looks at the device and tries again what was refused. */
  resync(): void {
    this.#forgetView();
    this.#refusals.clear();
  }

  /** Makes the device if there is none, and adds what is missing. */
  async bind(wanted: ReadonlySet<string>): Promise<void> {
    for (let round = 1; round <= MAX_ROUNDS; round += 1) {
      const view = await this.#look({ make: true });
      if (view.kind !== 'present') return;
      const missing: string[] = [];
      const claimed = this.#ours.size;
      for (const address of wanted) {
        if (view.addresses.has(address)) this.#refusals.delete(address);
        else if (!this.#refusals.has(address, 'bound')) missing.push(address);
        this.#ours.add(address);
      }
      if (this.#ours.size > claimed) await this.#parts.remember();
      await this.#add(view, missing);
      this.#sayForeign(view);
      if (this.#view === view) return;
    }
  }

  /** Removes ours that are not to be kept. */
  async unbind(keep: ReadonlySet<string>): Promise<void> {
    const going: string[] = [];
    for (const address of this.#ours)
      if (!keep.has(address) && !this.#refusals.has(address, 'removed')) going.push(address);
    if (going.length === 0) return;
    const view = await this.#look({ make: false });
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
    const { rtnetlink, log, remember } = this.#parts;
    const view = await this.#look({ make: false });
    if (view.kind === 'unusable') return;
    if (view.kind === 'present' && (view.index !== this.#made || this.foreign.length > 0))
      return await this.unbind(new Set());
    try {
      if (view.kind === 'present') await rtnetlink.removeLink(view.index);
    } catch (error) {
      this.#view = unusable(error);
      return;
    }
    if (view.kind === 'present') log.info('device removed', { interface: this.name, addresses: this.#ours.size });
    this.#view = { kind: 'absent' };
    this.#made = undefined;
    this.#ours.clear();
    await remember();
  }

  /** What `bind` and `unbind` would do, without doing it. */
  async preview(wanted: ReadonlySet<string>): Promise<{ readonly bind: string[]; readonly unbind: string[] }> {
    const view = await this.#look({ make: false });
    const there = view.kind === 'present' ? view.addresses : new Set<string>();
    return {
      bind: [...wanted].filter((address) => !there.has(address)),
      unbind: [...this.#ours].filter((address) => !wanted.has(address) && there.has(address)),
    };
  }

  /** Asks the kernel, unless it is known what it would say. */
  async #look({ make }: { readonly make: boolean }): Promise<View> {
    if (this.#view === undefined || (make && this.#view.kind === 'absent')) {
      try {
        this.#view = await this.#read(make);
      } catch (error) {
        this.#view = unusable(error);
      }
    }
    return this.#view;
  }

  async #read(make: boolean): Promise<View> {
    const { rtnetlink, log } = this.#parts;
    const found = await rtnetlink.link(this.name);
    if (this.#before !== undefined && found?.index !== this.#before.index) {
      this.drift.deleted += 1;
      this.#before = undefined;
      log.warn('device was deleted by somebody', { interface: this.name });
    }
    // Another one that has been given its name is not ours.
    if (found?.index !== this.#made) this.#made = undefined;
    if (found === undefined && !make) return { kind: 'absent' };
    const link = found ?? (await this.#make());
    if (!link.up && make) {
      if (link.index !== this.#made)
        return { kind: 'unusable', reason: `the device is down and was not made by us: ip link set ${this.name} up` };
      this.drift.down += 1;
      this.#before = undefined; // What was lost with it is no news of its own.
      log.warn('device was set down by somebody: set up again', { interface: this.name });
      await rtnetlink.setUp(link.index);
    }
    const view = present(link.index, await rtnetlink.addresses(link.index));
    this.#noticeLost(view);
    return view;
  }

  async #make(): Promise<Link> {
    const { rtnetlink, log, remember } = this.#parts;
    await rtnetlink.makeDummy(this.name);
    const link = await rtnetlink.link(this.name);
    if (link === undefined) throw new RtnetlinkError(`make ${this.name}`, 'ENODEV');
    log.info('device made', { interface: this.name });
    this.#made = link.index;
    await remember();
    return link;
  }

  async #add(view: Present, addresses: readonly string[]): Promise<void> {
    const suitable = addresses.filter((address) => {
      const reason = unsuitable(address);
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
      if (error === undefined) this.#parts.log.info('virtual address bound', { interface: this.name, address });
      if (error === undefined || (error.code === 'EEXIST' && range === undefined)) view.addresses.add(address);
      else if (error.code === 'ENODEV') this.#forgetView();
      else this.#refusals.add(address, 'bound', this.#because(error, address, range));
    }
  }

  #because({ code, reason }: RtnetlinkError, address: string, range: string | undefined): string {
    if (code === 'EEXIST' && range !== undefined) return `somebody has put ${range} on the device`;
    if (code === 'EACCES' && isIPv6(address))
      return `IPv6 is disabled on the device: sysctl net.ipv6.conf.${this.name}.disable_ipv6=0`;
    return reason;
  }

  async #remove(view: Present, addresses: readonly string[]): Promise<void> {
    const errors = await this.#parts.rtnetlink.remove(view.index, addresses);
    for (const [i, address] of addresses.entries()) {
      const error = errors[i];
      if (error === undefined) this.#parts.log.info('virtual address removed', { interface: this.name, address });
      if (error?.code === 'ENODEV') this.#forgetView();
      else if (error === undefined || error.code === 'EADDRNOTAVAIL') view.addresses.delete(address);
      else this.#refusals.add(address, 'removed', error.reason);
    }
  }

  #forgetView(): void {
    if (this.#view?.kind === 'present') this.#before = this.#view;
    this.#view = undefined;
  }

  #noticeLost(view: Present): void {
    const before = [...(this.#before?.addresses ?? [])];
    const lost = before.filter((address) => this.#ours.has(address) && !view.addresses.has(address));
    if (lost.length === 0) return;
    this.drift.addresses += lost.length;
    this.#parts.log.warn('virtual addresses were removed by somebody', { interface: this.name, addresses: lost });
  }

  /** Once wanted addresses have become ours, and once for each look. */
  #sayForeign(view: Present): void {
    if (this.#said.view === view) return;
    const { foreign } = this;
    const before = this.#said.foreign;
    this.#said = { view, foreign: foreign.join(' ') };
    if (this.#said.foreign === before || foreign.length === 0) return;
    this.#parts.log.info('addresses that are not ours are left alone', { interface: this.name, addresses: foreign });
  }
}

/** What is refused so is refused to all addresses of the family: no rights, IPv6 disabled, no IPv6 at all. */
const OF_ALL: readonly string[] = ['EPERM', 'EACCES', 'ENOTSUP', 'ENODEV', 'ETIMEDOUT'];

function unusable(error: unknown): View {
  if (!(error instanceof RtnetlinkError)) throw error;
  return { kind: 'unusable', reason: error.message };
}

/** The kernel's own link-local addresses, and loopback where the device is `lo`, are nobody's. */
function present(index: number, found: readonly DeviceAddress[]): Present {
  const others = found.filter(({ address }) => !isLinkLocalIPv6(address) && !isLoopback(address));
  return {
    kind: 'present',
    index,
    addresses: new Set(others.filter(({ whole }) => whole).map(({ address }) => address)),
    ranges: others.filter(({ whole }) => !whole).map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  };
}
