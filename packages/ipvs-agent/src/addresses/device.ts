import type { Logger } from '@clusterf/daemon';
import type { DeviceAddress, Link, Rtnetlink } from './rtnetlink.js';
import { RtnetlinkError } from './rtnetlink-error.js';
import { isLinkLocalIPv6, isLoopback } from './unsuitable.js';

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
export interface Present {
  readonly kind: 'present';
  readonly index: number;
  /** Single ones: /32 and /128. */
  readonly addresses: Set<string>;
  /** Others, with their lengths: never ours. */
  readonly ranges: readonly string[];
  /** What is on other devices of this machine, and the index of one that has it. */
  readonly elsewhere: ReadonlyMap<string, number>;
}
export type View = Present | { readonly kind: 'absent' } | { readonly kind: 'unusable'; readonly reason: string };

export interface DeviceParts {
  readonly rtnetlink: Rtnetlink;
  readonly log: Logger;
  /** Writes down what is ours. Does not throw. */
  readonly remember: () => Promise<void>;
  /** Whether the address is ours on a device of an earlier run, which goes once this one stands. */
  readonly isLeaving: (address: string) => boolean;
  /** The etcd at that address that our configuration is read from, as the source names it. */
  readonly etcdAt: (address: string) => string | undefined;
}

/**
 * A network device and what is known of it. It is asked for only while nothing is known; whoever changes it keeps the
 * view up to date.
 */
export class Device {
  readonly name: string;
  readonly drift: AddressDrift = { deleted: 0, down: 0, addresses: 0 };
  readonly #parts: DeviceParts;
  readonly #isOurs: (address: string) => boolean;
  /** Its index if we made it: another that is given its name has another. */
  #made: number | undefined;
  #view: View | undefined;
  /** What was last known to be there, to tell what others did since. */
  #before: Present | undefined;

  constructor(name: string, made: number | undefined, isOurs: (address: string) => boolean, parts: DeviceParts) {
    this.name = name;
    this.#made = made;
    this.#isOurs = isOurs;
    this.#parts = parts;
  }

  get made(): number | undefined {
    return this.#made;
  }

  /** What is known; undefined = nothing. */
  get view(): View | undefined {
    return this.#view;
  }

  /** From here on nothing is known. */
  forget(): void {
    if (this.#view?.kind === 'present') this.#before = this.#view;
    this.#view = undefined;
  }

  /** Asks the kernel, unless it is known what it would say. */
  async look({ make }: { readonly make: boolean }): Promise<View> {
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
    const view = present(link.index, await rtnetlink.addresses());
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

  /** Removes the device with all that is on it. @returns whether it is gone */
  async remove({ index }: Present): Promise<boolean> {
    try {
      await this.#parts.rtnetlink.removeLink(index);
    } catch (error) {
      this.#view = unusable(error);
      return false;
    }
    this.#view = { kind: 'absent' };
    this.#before = undefined;
    this.#made = undefined;
    return true;
  }

  #noticeLost(view: Present): void {
    const before = [...(this.#before?.addresses ?? [])];
    const lost = before.filter((address) => this.#isOurs(address) && !view.addresses.has(address));
    if (lost.length === 0) return;
    this.drift.addresses += lost.length;
    this.#parts.log.warn('virtual addresses were removed by somebody', { interface: this.name, addresses: lost });
  }
}

function unusable(error: unknown): View {
  if (!(error instanceof RtnetlinkError)) throw error;
  return { kind: 'unusable', reason: error.message };
}

/** The kernel's own link-local addresses, and loopback where the device is `lo`, are nobody's. */
function present(index: number, found: readonly DeviceAddress[]): Present {
  const global = found.filter(({ address }) => !isLinkLocalIPv6(address) && !isLoopback(address));
  const here = global.filter(({ device }) => device === index);
  return {
    kind: 'present',
    index,
    addresses: new Set(here.filter(({ whole }) => whole).map(({ address }) => address)),
    ranges: here.filter(({ whole }) => !whole).map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    elsewhere: new Map(global.filter(({ device }) => device !== index).map(({ address, device }) => [address, device])),
  };
}
