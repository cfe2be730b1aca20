import type { Problem } from '@clusterf/model';

/** What could not be done to an address. */
export type Refused = 'bound' | 'removed';

/** How many addresses a message names. */
const NAMED = 3;

/** Addresses of one device that the kernel refused, or that we do; ten thousand refused for one reason are one problem. */
export class Refusals {
  readonly #device: string;
  readonly #refused = new Map<string, { readonly what: Refused; readonly reason: string }>();

  constructor(device: string) {
    this.#device = device;
  }

  add(address: string, what: Refused, reason: string): void {
    this.#refused.set(address, { what, reason });
  }

  has(address: string, what: Refused): boolean {
    return this.#refused.get(address)?.what === what;
  }

  delete(address: string): void {
    this.#refused.delete(address);
  }

  clear(): void {
    this.#refused.clear();
  }

  get problems(): readonly Problem[] {
    const groups = new Map<string, string[]>();
    for (const [address, { what, reason }] of this.#refused) {
      const text = `not ${what}: ${reason}`;
      const group = groups.get(text);
      if (group === undefined) groups.set(text, [address]);
      else group.push(address);
    }
    return [...groups].map(([message, addresses]) => {
      const more = addresses.length > NAMED ? ` and ${addresses.length - NAMED} more` : '';
      const key = `${this.#device} ${addresses.slice(0, NAMED).join(', ')}${more}`;
      return { source: 'kernel', key, message };
    });
  }
}
