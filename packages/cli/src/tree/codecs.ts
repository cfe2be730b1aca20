import {
  decodeBackend,
  type Decoded,
  decodeDrain,
  decodeFrontend,
  decodeRoute,
  decodeSync,
  encodeBackend,
  encodeDrain,
  encodeFrontend,
  encodeRoute,
  encodeSync,
  type Key,
  type UnknownFields,
} from '@clusterf/model';

/** What a value says, in its one way to be written, or why it says nothing. */
export type Canonical =
  | {
      readonly ok: true;
      /** Equal for equal values. */
      readonly text: string;
      /** Fields that nobody here knows. */
      readonly unknown: readonly string[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly messages: readonly string[] };

function codec<T>(decode: (text: string) => Decoded<T>, encode: (value: T, unknown?: UnknownFields) => string) {
  return (text: string): Canonical => {
    const decoded = decode(text);
    if (!decoded.ok) return decoded;
    const { value, unknown, warnings } = decoded;
    return { ok: true, text: encode(value, unknown), unknown: Object.keys(unknown), warnings };
  };
}

const sync = codec(decodeSync, encodeSync);
const drain = codec(decodeDrain, encodeDrain);

/** How to read the values of every kind of key that configures something. */
export const CODECS: Readonly<Partial<Record<Key['kind'], (text: string) => Canonical>>> = {
  frontend: codec(decodeFrontend, encodeFrontend),
  backend: codec(decodeBackend, encodeBackend),
  route: codec(decodeRoute, encodeRoute),
  sync,
  balancerSync: sync,
  hostDrain: drain,
  backendDrain: drain,
  balancerDrain: drain,
};
