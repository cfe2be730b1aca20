/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
const PRIME = 0x0100_0193;
const BASIS = 0x811c_9dc5;
/** Any other beginning makes another hash of it: two of 32 bits are one of 64. */
const OTHER_BASIS = 0x9e37_79b9;

/**
 * A short word for a set of texts, the same wherever the set is the same and in whatever order it came about, at the cost
 * of what changes: by which machines see that they have read the same. It finds accidents; against somebody who wants
 * two sets to look alike it is none.
 */
export class Digest {
  #high = 0;
  #low = 0;

  add(text: string): void {
    this.#high = (this.#high + hash(text, BASIS)) >>> 0;
    this.#low = (this.#low + hash(text, OTHER_BASIS)) >>> 0;
  }

  /** @param text that was added before */
  remove(text: string): void {
    this.#high = (this.#high - hash(text, BASIS)) >>> 0;
    this.#low = (this.#low - hash(text, OTHER_BASIS)) >>> 0;
  }

  /** 16 hexadecimal digits; all zeros for the empty set. */
  toString(): string {
    return [this.#high, this.#low].map((half) => half.toString(16).padStart(8, '0')).join('');
  }
}

/** By UTF-16 units, which texts are the same by if and only if they are the same. */
function hash(text: string, basis: number): number {
  let sum = basis;
  for (let index = 0; index < text.length; index += 1) sum = Math.imul(sum ^ text.charCodeAt(index), PRIME);
  // Sums of hashes whose last bits follow the texts' last letters would cancel each other out.
  sum = Math.imul(sum ^ (sum >>> 15), PRIME);
  return (sum ^ (sum >>> 13)) >>> 0;
}
