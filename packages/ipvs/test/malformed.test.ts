import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  decodeDaemon,
  decodeObservedDestination,
  decodeInfo,
  decodeObservedService,
  decodeTimeouts,
} from '../src/decode.js';
import { DecodeError } from '../src/index.js';
import { type Attributes, attributesOf, errnoIn, messages } from '../src/netlink/reader.js';
import { message, traces } from './support/trace.js';

const DECODERS: readonly ((attributes: Attributes) => unknown)[] = [
  decodeObservedService,
  (attributes) => decodeObservedDestination(attributes, 'ipv6'),
  decodeDaemon,
  decodeTimeouts,
  decodeInfo,
];

/** Reads the datagram as everything it could be; returns how often it made sense. */
function readAll(bytes: Uint8Array): number {
  let understood = 0;
  const attempt = (read: () => unknown) => {
    try {
      read();
      understood++;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  };
  attempt(() => {
    for (const one of messages(bytes)) {
      attempt(() => errnoIn(one));
      for (const decode of DECODERS) attempt(() => decode(attributesOf(one)));
    }
  });
  return understood;
}

const dumps = traces.flatMap(({ answers }) => answers.map(({ payload }) => message(payload, { flags: 2 })));

describe('bytes that are no answer', () => {
  test('whatever they are, raise DecodeError or are read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => expect(() => readAll(bytes)).not.toThrow()),
      { numRuns: 2000 },
    );
  });

  test('as the content of a well-framed message, raise DecodeError or are read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => expect(() => readAll(message(bytes))).not.toThrow()),
      { numRuns: 2000 },
    );
  });

  test('made from the kernel’s by changing some, raise DecodeError or are read', () => {
    const change = fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.constantFrom(...dumps), fc.array(change, { minLength: 1, maxLength: 8 }), (dump, changes) => {
        const bytes = Uint8Array.from(dump);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        expect(() => readAll(bytes)).not.toThrow();
      }),
      { numRuns: 5000 },
    );
  });

  test('the kernel’s own make sense, so that the above tries something', () => {
    expect(dumps.length).toBeGreaterThan(15);
    // Itself as a datagram, its first word as an errno, and as what it is.
    for (const dump of dumps) expect(readAll(dump)).toBeGreaterThanOrEqual(3);
  });

  test('cut short anywhere within a message, say so', () => {
    for (const dump of dumps) {
      for (let length = 1; length < dump.length; length++) {
        expect(() => [...messages(dump.subarray(0, length))]).toThrow(DecodeError);
      }
    }
  });
});

/** Decodes a virtual service of these attributes. */
function service(attributes: string): () => unknown {
  const length = (4 + attributes.length / 2).toString(16).padStart(2, '0');
  return () =>
    [...messages(message(`01010000${length}000180${attributes}`))].map((one) =>
      decodeObservedService(attributesOf(one)),
    );
}

describe('the message of a DecodeError', () => {
  test.each([
    ['08000600777272', /attribute of 8 bytes where 7 are left/],
    ['', /IPVS_SVC_ATTR_AF is missing/],
    ['0600010063000000', /IPVS_SVC_ATTR_AF: 99 is none of .*"ipv4":2/],
    ['050001000a000000', /IPVS_SVC_ATTR_AF: 1 bytes where 2 were expected/],
    ['0600010002000000060005000100', /attribute header|IPVS_SVC_ATTR_FWMARK: 2 bytes where 4 were expected/],
  ])('of a service of %s names what is wrong', (attributes, expected) => {
    expect(service(attributes)).toThrow(expected);
  });
});
