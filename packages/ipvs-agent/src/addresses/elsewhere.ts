import type { Logger } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { Present } from './device.js';
import type { Rtnetlink } from './rtnetlink.js';
import { RtnetlinkError } from './rtnetlink-error.js';

/** How many addresses a message names. */
const NAMED = 3;

export interface ElsewhereParts {
  readonly rtnetlink: Pick<Rtnetlink, 'names'>;
  readonly log: Logger;
}

/**
 * Addresses that other devices of this machine have.
 *
 * One that is wanted and was never ours is the machine's own: packets for it end here without us, and a second time,
 * on a device from which addresses are announced, would tell the network that it is everywhere. So it is left where it
 * is. One that is ours is there by mistake: its device was renamed, or somebody bound it as well.
 */
export class Elsewhere {
  readonly #device: string;
  readonly #parts: ElsewhereParts;
  #names: ReadonlyMap<number, string> = new Map();
  /** Of which view the rest is. */
  #view: Present | undefined;
  /** Ours, by the device that has them too. */
  #astray: ReadonlyMap<number, readonly string[]> = new Map();
  #left: ReadonlyMap<string, number> = new Map();
  #said = '';

  constructor(device: string, parts: ElsewhereParts) {
    this.#device = device;
    this.#parts = parts;
  }

  /** Wanted, and left on the device that has them: `10.0.0.5 on eth0`. */
  get left(): readonly string[] {
    return [...this.#left].map(([address, device]) => `${address} on ${this.#name(device)}`);
  }

  get problems(): readonly Problem[] {
    return [...this.#astray].map(([device, addresses]) => {
      const more = addresses.length > NAMED ? ` and ${addresses.length - NAMED} more` : '';
      const name = this.#name(device);
      const message =
        `the device ${name} has addresses of ours too: ${addresses.slice(0, NAMED).join(', ')}${more}. Remove ` +
        `them there, or all of ${name} if it is ${this.#device} under another name`;
      return { source: 'kernel', key: this.#device, message };
    });
  }

  /** From here on nothing is known. */
  forget(): void {
    this.#view = undefined;
  }

  /**
   * What is wanted and to be on our device.
   *
   * @param isOurs what was ours before this was wanted
   * @param isLeaving what is on a device of an earlier run, and will be taken off it
   */
  async leave(
    view: Present,
    wanted: ReadonlySet<string>,
    isOurs: (address: string) => boolean,
    isLeaving: (address: string) => boolean,
  ): Promise<string[]> {
    if (this.#view !== view) await this.#look(view, (address) => isOurs(address) && !isLeaving(address));
    const left = new Map<string, number>();
    const here: string[] = [];
    for (const address of wanted) {
      const device = view.elsewhere.get(address);
      if (device === undefined || isOurs(address) || view.addresses.has(address)) here.push(address);
      else left.set(address, device);
    }
    this.#left = left;
    if (left.size > 0 && this.#names.size === 0) await this.#nameDevices();
    const text = this.left.join(', ');
    if (text !== this.#said && text !== '')
      this.#parts.log.info('virtual addresses that another device of this machine has: left there, not bound', {
        interface: this.#device,
        addresses: this.left,
      });
    this.#said = text;
    return here;
  }

  async #look(view: Present, isAstray: (address: string) => boolean): Promise<void> {
    this.#view = view;
    this.#names = new Map();
    const astray = new Map<number, string[]>();
    for (const [address, device] of view.elsewhere)
      if (isAstray(address)) astray.set(device, [...(astray.get(device) ?? []), address]);
    this.#astray = astray;
    if (astray.size > 0) await this.#nameDevices();
  }

  async #nameDevices(): Promise<void> {
    try {
      this.#names = await this.#parts.rtnetlink.names();
    } catch (error) {
      if (!(error instanceof RtnetlinkError)) throw error;
    }
  }

  #name(device: number): string {
    return this.#names.get(device) ?? `number ${device}`;
  }
}
