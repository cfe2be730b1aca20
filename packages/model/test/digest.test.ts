import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Digest } from '../src/digest.js';

function digestOf(texts: Iterable<string>): string {
  const digest = new Digest();
  for (const text of texts) digest.add(text);
  return String(digest);
}

function entry(service: number, weight: number): string {
  return `services/web${service}/backends/a {"weight":${weight}}`;
}

describe('the digest of a set of texts', () => {
  test('is the same in whatever order they came, and whatever came and went meanwhile', () => {
    const texts = fc.uniqueArray(fc.string());
    fc.assert(
      fc.property(texts, texts, (kept, gone) => {
        const digest = new Digest();
        for (const text of gone) digest.add(text);
        for (const text of kept.toReversed()) digest.add(text);
        for (const text of gone) digest.remove(text);
        expect(String(digest)).toBe(digestOf(kept));
      }),
    );
  });

  test('is another one for ten thousand sets that are nearly the same', () => {
    const all = Array.from({ length: 100 }, (_, service) =>
      Array.from({ length: 100 }, (__, weight) => digestOf([entry(service, weight), entry(service + 1, 100 - weight)])),
    );
    expect(new Set(all.flat()).size).toBe(10_000);
  });

  test('is another one where two entries have exchanged their values', () => {
    expect(digestOf(['a 1', 'b 2'])).not.toBe(digestOf(['a 2', 'b 1']));
  });

  test('is zeros for none', () => {
    expect(digestOf([])).toBe('0000000000000000');
  });
});
