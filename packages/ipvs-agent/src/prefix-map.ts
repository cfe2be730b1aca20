import { type Address, type Family, parsePrefix } from '@clusterf/model';

/**
 * Values by prefix, found by address: that of the longest prefix around it. One look for each length there is, so
 * that thousands of prefixes cost an address no more than a few.
 */
export class PrefixMap<T> {
  readonly #families: Readonly<Record<Family, LengthMap<T>>> = { ipv4: new LengthMap(32), ipv6: new LengthMap(128) };

  get isEmpty(): boolean {
    return this.#families.ipv4.isEmpty && this.#families.ipv6.isEmpty;
  }

  /** Of one prefix the first value stays. No prefix is the shortest of both families; a text that is none is passed over. */
  add(text: string | undefined, value: T): void {
    if (text === undefined) {
      for (const family of Object.values(this.#families)) family.add(0n, 0, value);
      return;
    }
    const prefix = parsePrefix(text);
    if (prefix.ok) this.#families[prefix.value.family].add(prefix.value.bits, prefix.value.length, value);
  }

  lookup({ family, bits }: Address): T | undefined {
    return this.#families[family].lookup(bits);
  }
}

/** Values by prefix of one family. */
class LengthMap<T> {
  /** Longest first; each maps a network's leading bits to its value. */
  readonly #lengths: { readonly length: number; readonly hostBits: bigint; readonly networks: Map<bigint, T> }[] = [];
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  get isEmpty(): boolean {
    return this.#lengths.length === 0;
  }

  add(bits: bigint, length: number, value: T): void {
    let at = this.#lengths.find((each) => each.length === length);
    if (at === undefined) {
      at = { length, hostBits: BigInt(this.#width - length), networks: new Map() };
      this.#lengths.push(at);
      this.#lengths.sort((a, b) => b.length - a.length);
    }
    const network = bits >> at.hostBits;
    if (!at.networks.has(network)) at.networks.set(network, value);
  }

  lookup(bits: bigint): T | undefined {
    for (const { hostBits, networks } of this.#lengths) {
      const value = networks.get(bits >> hostBits);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
